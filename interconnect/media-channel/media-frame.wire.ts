import type { CameraRefusalCode, LiveReduction, MediaPriority, MediaRequest } from '@holdfast/core';
import type { WireChannelFrame, WireOpen, WirePiece } from '@holdfast/protos';
import {
  CameraAnswer,
  CameraRequest,
  DeviceId,
  RecordingServerId,
  SegmentId,
  SiteId,
  SPEECH_BYTES_MAX,
  SpeakRequest,
  StreamName,
  TimeSource,
} from '@holdfast/schema';
import {
  type CloseCode,
  type ControlAnswerFrame,
  type ControlFrame,
  type HelloFrame,
  type ItemHead,
  type MediaFrame,
  MediaProtocolError,
  type OpenFrame,
  PIECE_BYTES_MAX,
  type PieceFrame,
} from './media-frame.js';

/** One retrieve request names no more: with 64 s a segment that is 9 hours. */
export const RETRIEVE_SEGMENTS_MAX = 512;
/** Keeps what a peer says about itself or about a fault from filling a log. */
const TEXT_LENGTH_MAX = 500;
/** Of `askedBy`, as in the events that name it. */
const ACTOR_LENGTH_MAX = 2_000;
/** 500 presets. */
const JSON_LENGTH_MAX = 512 * 1024;

const priorities: ReadonlySet<string> = new Set<MediaPriority>([
  'LIVE',
  'ALARM',
  'EVIDENCE_LOCK',
  'REQUEST',
  'RULE',
  'LINK_RESTORE',
  'SCHEDULE',
]);
const cameraRefusals: ReadonlySet<string> = new Set<CameraRefusalCode>([
  'NO_SUCH_DEVICE',
  'NOT_CONNECTED',
  'CAMERA_CANNOT',
  'CAMERA_FAILED',
  'PTZ_TAKEN',
]);
const closeCodes: ReadonlySet<string> = new Set<CloseCode>([
  'DONE',
  'CANCELLED',
  'NO_SUCH_DEVICE',
  'NO_LIVE_STREAM',
  'SOURCE_BUSY',
  'NOT_CONNECTED',
  'NOT_ALLOWED',
  'FAULT',
]);
const NOT_REDUCED = 'NOT_REDUCED';
const reductions: ReadonlySet<string> = new Set<LiveReduction>(['SLOW_VIEWER', 'SLOW_LINK', 'OVERLOAD']);

export function toWire(frame: MediaFrame): WireChannelFrame {
  switch (frame.kind) {
    case 'hello': {
      const { kind: _, recordingServerId, ...hello } = frame;
      return { hello: { ...hello, recordingServerId: recordingServerId ?? '' } };
    }
    case 'open':
      return { open: openToWire(frame) };
    case 'piece':
      return { piece: pieceToWire(frame) };
    case 'credit':
      return { credit: { channel: frame.channel, byteCount: frame.byteCount } };
    case 'close': {
      const { channel, code, detail } = frame;
      return { close: { channel, code, detail: detail.slice(0, TEXT_LENGTH_MAX) } };
    }
    case 'received':
      return { received: { byteCount: frame.byteCount } };
    case 'heartbeat':
      return { heartbeat: {} };
    case 'control': {
      const { id, deviceId, request, askedBy } = frame;
      return { control: { id, deviceId, request: JSON.stringify(request), askedBy } };
    }
    case 'controlAnswer':
      return { controlAnswer: controlAnswerToWire(frame) };
    case 'sound':
      return { sound: { id: frame.id, data: frame.data } };
    case 'soundEnd':
      return { soundEnd: { id: frame.id, detail: frame.detail.slice(0, TEXT_LENGTH_MAX) } };
  }
}

/** Throws `MediaProtocolError` for whatever this protocol does not know. */
export function fromWire(wire: WireChannelFrame): MediaFrame {
  if (wire.piece) return pieceFromWire(wire.piece);
  if (wire.received) return { kind: 'received', byteCount: wire.received.byteCount };
  if (wire.credit) return { kind: 'credit', channel: wire.credit.channel, byteCount: wire.credit.byteCount };
  if (wire.heartbeat) return { kind: 'heartbeat' };
  if (wire.open) return openFromWire(wire.open);
  if (wire.close) {
    const { channel, code, detail } = wire.close;
    if (!closeCodes.has(code)) throw new MediaProtocolError(`close: unknown code ${code}`);
    return { kind: 'close', channel, code: code as CloseCode, detail: detail.slice(0, TEXT_LENGTH_MAX) };
  }
  if (wire.hello) return helloFromWire(wire.hello);
  if (wire.control) return controlFromWire(wire.control);
  if (wire.controlAnswer) return controlAnswerFromWire(wire.controlAnswer);
  if (wire.sound) return soundFromWire(wire.sound);
  if (wire.soundEnd) {
    const { id, detail } = wire.soundEnd;
    return { kind: 'soundEnd', id, detail: detail.slice(0, TEXT_LENGTH_MAX) };
  }
  throw new MediaProtocolError('a frame of no known kind');
}

function openToWire({ channel, priority, creditBytes, request }: OpenFrame): WireOpen {
  const open: WireOpen = { channel, priority, creditBytes };
  const { kind, ...rest } = request;
  switch (kind) {
    case 'LIVE':
      open.live = { stream: '', ...(rest as Extract<MediaRequest, { kind: 'LIVE' }>) };
      break;
    case 'PLAYBACK':
      open.playback = rest as Extract<MediaRequest, { kind: 'PLAYBACK' }>;
      break;
    case 'RETRIEVE': {
      const { deviceId, segmentIds, resumeAtFragment } = rest as Extract<MediaRequest, { kind: 'RETRIEVE' }>;
      open.retrieve = { deviceId, segmentIds: [...segmentIds], resumeAtFragment };
      break;
    }
  }
  return open;
}

function openFromWire(wire: WireOpen): OpenFrame {
  const { channel, priority, creditBytes } = wire;
  if (!priorities.has(priority)) throw new MediaProtocolError(`open: unknown priority ${priority}`);
  return {
    kind: 'open',
    channel,
    priority: priority as MediaPriority,
    creditBytes,
    request: requestFromWire(wire),
  };
}

function requestFromWire(wire: WireOpen): MediaRequest {
  if (wire.live) {
    const live = { kind: 'LIVE' as const, deviceId: checked(DeviceId, wire.live.deviceId, 'deviceId') };
    const { stream } = wire.live;
    return stream === '' ? live : { ...live, stream: checked(StreamName, stream, 'stream') };
  }
  if (wire.playback) {
    const { deviceId, fromMs, toMs, keyFramesOnly = false } = wire.playback;
    requireTime(fromMs, 'fromMs');
    requireTime(toMs, 'toMs');
    const device = checked(DeviceId, deviceId, 'deviceId');
    return { kind: 'PLAYBACK', deviceId: device, fromMs, toMs, ...(keyFramesOnly && { keyFramesOnly }) };
  }
  if (wire.retrieve) {
    const { deviceId, segmentIds, resumeAtFragment } = wire.retrieve;
    if (segmentIds.length > RETRIEVE_SEGMENTS_MAX) {
      throw new MediaProtocolError(
        `retrieve: ${segmentIds.length} segments, at most ${RETRIEVE_SEGMENTS_MAX} are allowed`,
      );
    }
    return {
      kind: 'RETRIEVE',
      deviceId: checked(DeviceId, deviceId, 'deviceId'),
      segmentIds: segmentIds.map(id => checked(SegmentId, id, 'segmentId')),
      resumeAtFragment,
    };
  }
  throw new MediaProtocolError('open: a request of no known kind');
}

function pieceToWire({ channel, head, itemByteLength, data, last }: PieceFrame): WirePiece {
  const piece: WirePiece = { channel, itemByteLength, data, last };
  if (head === null) return piece;
  switch (head.kind) {
    case 'init':
      piece.init = { codecs: head.codecs };
      break;
    case 'fragment': {
      const { fromMs, toMs, arrivalMs, beginsWithKeyFrame, timeSource } = head;
      const reducedBecause = head.reducedBecause ?? NOT_REDUCED;
      piece.fragment = { fromMs, toMs, arrivalMs, beginsWithKeyFrame, timeSource, reducedBecause };
      break;
    }
    case 'manifest':
      piece.manifest = {};
      break;
    case 'missing':
      piece.missing = { segmentId: head.segmentId, cause: head.cause.slice(0, TEXT_LENGTH_MAX) };
      break;
  }
  return piece;
}

function pieceFromWire(wire: WirePiece): PieceFrame {
  const { channel, itemByteLength, data, last } = wire;
  if (data.byteLength > PIECE_BYTES_MAX) {
    throw new MediaProtocolError(`piece: ${data.byteLength} bytes, at most ${PIECE_BYTES_MAX} are allowed`);
  }
  return { kind: 'piece', channel, head: headFromWire(wire), itemByteLength, data, last };
}

function headFromWire(wire: WirePiece): ItemHead | null {
  if (wire.fragment) {
    const { fromMs, toMs, arrivalMs, beginsWithKeyFrame } = wire.fragment;
    requireTime(fromMs, 'fromMs');
    requireTime(toMs, 'toMs');
    requireTime(arrivalMs, 'arrivalMs');
    const timeSource = checked(TimeSource, wire.fragment.timeSource, 'timeSource');
    const reducedBecause = reductionFromWire(wire.fragment.reducedBecause);
    return { kind: 'fragment', fromMs, toMs, arrivalMs, beginsWithKeyFrame, timeSource, reducedBecause };
  }
  if (wire.init) return { kind: 'init', codecs: wire.init.codecs.slice(0, TEXT_LENGTH_MAX) };
  if (wire.manifest) return { kind: 'manifest' };
  if (wire.missing) {
    const segmentId = checked(SegmentId, wire.missing.segmentId, 'segmentId');
    return { kind: 'missing', segmentId, cause: wire.missing.cause.slice(0, TEXT_LENGTH_MAX) };
  }
  return null;
}

function reductionFromWire(reduction: string | undefined): LiveReduction | null {
  if (reduction === undefined || reduction === NOT_REDUCED) return null;
  if (reductions.has(reduction)) return reduction as LiveReduction;
  throw new MediaProtocolError(`reducedBecause: ${reduction} is not known`);
}

function helloFromWire(wire: NonNullable<WireChannelFrame['hello']>): HelloFrame {
  return {
    kind: 'hello',
    protocolVersion: wire.protocolVersion,
    siteId: checked(SiteId, wire.siteId, 'siteId'),
    recordingServerId:
      wire.recordingServerId === ''
        ? null
        : checked(RecordingServerId, wire.recordingServerId, 'recordingServerId'),
    software: wire.software.slice(0, TEXT_LENGTH_MAX),
    takesControl: wire.takesControl,
  };
}

function controlAnswerToWire({
  id,
  outcome,
}: ControlAnswerFrame): NonNullable<WireChannelFrame['controlAnswer']> {
  if (outcome.done) return { id, refusal: '', detail: '', answer: JSON.stringify(outcome.answer) };
  const { refusal, detail } = outcome;
  return { id, refusal, detail: detail.slice(0, TEXT_LENGTH_MAX), answer: '' };
}

function controlFromWire(wire: NonNullable<WireChannelFrame['control']>): ControlFrame {
  return {
    kind: 'control',
    id: wire.id,
    deviceId: checked(DeviceId, wire.deviceId, 'deviceId'),
    request: CameraRequest.or(SpeakRequest).safeParse(json(wire.request)).data ?? null,
    askedBy: wire.askedBy.slice(0, ACTOR_LENGTH_MAX),
  };
}

function soundFromWire({ id, data }: NonNullable<WireChannelFrame['sound']>): MediaFrame {
  if (data.byteLength <= SPEECH_BYTES_MAX) return { kind: 'sound', id, data };
  throw new MediaProtocolError(`sound: ${data.byteLength} bytes, at most ${SPEECH_BYTES_MAX} are allowed`);
}

function controlAnswerFromWire({
  id,
  refusal,
  detail,
  answer,
}: NonNullable<WireChannelFrame['controlAnswer']>): ControlAnswerFrame {
  if (refusal === '') {
    return {
      ...{ kind: 'controlAnswer', id },
      outcome: { done: true, answer: checked(CameraAnswer, json(answer), 'answer') },
    };
  }
  // Newer software may refuse for reasons that are not known here: its words say them.
  const known = cameraRefusals.has(refusal) ? (refusal as CameraRefusalCode) : 'CAMERA_FAILED';
  return {
    ...{ kind: 'controlAnswer', id },
    outcome: {
      ...{ done: false, refusal: known },
      detail: detail.slice(0, TEXT_LENGTH_MAX),
    },
  };
}

/** Undefined for what is no JSON, or too long to be what is expected here. */
function json(text: string): unknown {
  if (text.length > JSON_LENGTH_MAX) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function requireTime(value: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new MediaProtocolError(`${name}: ${value} is no time in milliseconds since the Unix epoch`);
}

interface Schema<Value> {
  safeParse(value: unknown): { success: true; data: Value } | { success: false };
}

function checked<Value>(schema: Schema<Value>, value: unknown, name: string): Value {
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new MediaProtocolError(`${name}: ${String(value).slice(0, 100)} is not allowed`);
  }
  return parsed.data;
}
