import { Readable } from 'node:stream';
import {
  AUDIO_TRACK_ID,
  type BrowserCodecs,
  browserCodecs,
  hideTracks,
  METADATA_TRACK_ID,
  type MediaItem,
  MediaRefusedError,
  SEAM_MS_MAX,
  type TimeSpan,
} from '@holdfast/core';
import { DeviceId } from '@holdfast/schema';
import { DateTime } from '@holdfast/schema/graphql';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseByteRange } from './byte-range.js';
import {
  type AwayPart,
  isRefusal,
  type MediaDirectory,
  type MediaRefusal,
  notConnected,
  type RecordingSources,
} from './media-directory.js';
import { metadataLines } from './metadata-stream.js';
import { missingParts, planParts, playParts, type RecordingPart } from './recording-stream.js';
import { layOutSealed, readSealed, SegmentGoneError } from './sealed-layout.js';

/** One answer covers at most a day; longer spans are asked for day by day. */
export const RECORDING_SPAN_MS_MAX = 24 * 3600 * 1000;
/** Which parts of the answer are held here and which come from the remote site: `HELD` or `REMOTE` with its times. */
const PARTS_HEADER = 'x-holdfast-parts';
/** Which recorded parts the answer lacks, and why: `NOT_CONNECTED` with the recording server and its times. */
const MISSING_HEADER = 'x-holdfast-missing';
/** Sound that was left out, as `ulaw`: see `?tracks=all` and `?pictures=key`. */
const WITHHELD_HEADER = 'x-holdfast-withheld';
/** Beyond it the header ends with `…`. */
const PARTS_NAMED_MAX = 50;

/** The one place where a refusal becomes an HTTP status. */
const statusOf: Readonly<Record<MediaRefusal['refused'], number>> = {
  NO_SUCH_DEVICE: 404,
  NOTHING_RECORDED: 404,
  NOT_ALLOWED: 403,
  NO_LIVE_STREAM: 503,
  SOURCE_BUSY: 503,
  NOT_CONNECTED: 503,
  NO_DECODER: 501,
};

export interface MediaEndpointOptions {
  readonly directory: MediaDirectory;
  /** True when the request carries a valid token. */
  readonly isSignedIn: (request: FastifyRequest) => Promise<boolean>;
  readonly now: () => number;
  readonly onFault: (error: unknown) => void;
}

type DeviceRequest = FastifyRequest<{ Params: { deviceId: string }; Querystring: Record<string, string> }>;

/** `GET /media/{deviceId}/recording`, `/metadata` and `/snapshot`. Live pictures come over a WebSocket: see `LiveSocket`. */
export function registerMediaEndpoints(server: FastifyInstance, options: MediaEndpointOptions): void {
  const guard = async (request: FastifyRequest, reply: FastifyReply) => {
    if (await options.isSignedIn(request)) return;
    reply.header('www-authenticate', 'Bearer');
    return reply.code(401).send({ code: 'UNAUTHENTICATED', message: 'sign in: this needs a bearer token' });
  };
  server.get('/media/:deviceId/recording', { preHandler: guard }, (request, reply) =>
    sendRecording(request as DeviceRequest, reply, options),
  );
  server.get('/media/:deviceId/metadata', { preHandler: guard }, (request, reply) =>
    sendMetadata(request as DeviceRequest, reply, options),
  );
  server.get('/media/:deviceId/snapshot', { preHandler: guard }, (request, reply) =>
    sendSnapshot(request as DeviceRequest, reply, options),
  );
}

async function sendRecording(
  request: DeviceRequest,
  reply: FastifyReply,
  options: MediaEndpointOptions,
): Promise<FastifyReply> {
  const deviceId = DeviceId.safeParse(request.params.deviceId.toLowerCase()).data;
  if (!deviceId) return refuse(reply, { refused: 'NO_SUCH_DEVICE', message: 'the address names no device' });
  const asked = spanOf(request.query);
  if ('message' in asked) return reply.code(400).send({ code: 'BAD_USER_INPUT', message: asked.message });
  const offer = offerOf(request.query);
  if ('message' in offer) return reply.code(400).send({ code: 'BAD_USER_INPUT', message: offer.message });
  const left = leftSignal(reply);
  const plan = await planRecording(deviceId, asked, options);
  if (isRefusal(plan)) return refuse(reply, plan);
  const { span, sources, held, parts, missing } = plan;
  nameParts(reply, plan);
  if (parts.every(({ place }) => place === 'HELD') && !offer.keyFramesOnly) {
    const { forBrowsers } = offer;
    const answered = await sendSealed(request, reply, { deviceId, span, sources, held, forBrowsers }, left);
    if (answered) return answered;
  }
  const { keyFramesOnly } = offer;
  const items = playParts({ deviceId, parts, sources, keyFramesOnly, signal: left });
  return streamParts(reply, options, { items, offer, missing }, left);
}

/** Where what was recorded in a span up to now is read from. */
async function planRecording(
  deviceId: DeviceId,
  asked: TimeSpan,
  { directory, now }: MediaEndpointOptions,
): Promise<MediaRefusal | RecordingPlan> {
  const span = { fromMs: asked.fromMs, toMs: Math.min(asked.toMs, now()) };
  const sources = await directory.recordingSources(deviceId);
  if (isRefusal(sources)) return sources;
  const held = span.toMs > span.fromMs ? ((await sources.held?.spans(span)) ?? []) : [];
  const missing = missingParts(await sources.away(span), held);
  return { span, sources, held, missing, parts: planParts(held, sources.remote !== null, span) };
}

interface RecordingPlan {
  readonly span: TimeSpan;
  readonly sources: RecordingSources;
  readonly held: readonly TimeSpan[];
  readonly parts: readonly RecordingPart[];
  readonly missing: readonly AwayPart[];
}

/** Which of what is recorded is sent. */
interface Offer {
  /** Without the sound that browsers do not play. */
  readonly forBrowsers: boolean;
  /** Without sound altogether: it is only played at the speed at which it was recorded. */
  readonly keyFramesOnly: boolean;
}

function offerOf({ tracks = 'playable', pictures = 'all' }: Record<string, string>) {
  if (tracks !== 'playable' && tracks !== 'all') return { message: 'tracks: expected playable or all' };
  if (pictures !== 'all' && pictures !== 'key') return { message: 'pictures: expected all or key' };
  return { forBrowsers: tracks === 'playable', keyFramesOnly: pictures === 'key' } satisfies Offer;
}

/** What a player is told of the codecs, and what it does not get. */
function offered(codecs: string, { forBrowsers, keyFramesOnly }: Offer): BrowserCodecs {
  const [video, ...sound] = codecs.split(',') as [string, ...string[]];
  if (keyFramesOnly) {
    const withheld = sound.filter(codec => codec !== 'metx');
    return { codecs: video, withheld, hiddenTracks: [AUDIO_TRACK_ID, METADATA_TRACK_ID] };
  }
  return forBrowsers ? browserCodecs(codecs) : { codecs, withheld: [], hiddenTracks: [] };
}

interface HeldRequest {
  readonly deviceId: DeviceId;
  readonly span: TimeSpan;
  readonly sources: RecordingSources;
  readonly held: readonly TimeSpan[];
  readonly forBrowsers: boolean;
}

/** An answer of known length, with ranges. Null when a part is not sealed yet: its length is not known. */
async function sendSealed(
  request: FastifyRequest,
  reply: FastifyReply,
  { deviceId, span, sources, held, forBrowsers }: HeldRequest,
  signal: AbortSignal,
): Promise<FastifyReply | null> {
  const database = sources.held?.databaseOf(span);
  if (!database) return null;
  const layout = await layOutSealed(database, deviceId, span, { forBrowsers });
  const lastHeldMs = held.at(-1)?.toMs ?? span.fromMs;
  const [newest] = database.segments({
    ...{ deviceId, fromMs: lastHeldMs - SEAM_MS_MAX, toMs: lastHeldMs, after: null, limit: 1 },
  });
  if (!layout || !newest) return null;
  const { byteLength } = layout;
  const range = parseByteRange(request.headers.range, byteLength);
  reply.header('accept-ranges', 'bytes');
  if (range === 'UNSATISFIABLE') {
    reply.header('content-range', `bytes */${byteLength}`);
    return reply.code(416).send({ code: 'RANGE_NOT_SATISFIABLE', message: `there are ${byteLength} bytes` });
  }
  const bytes = range === 'WHOLE' ? { from: 0, to: byteLength - 1 } : range;
  if (range !== 'WHOLE') {
    reply.code(206).header('content-range', `bytes ${bytes.from}-${bytes.to}/${byteLength}`);
  }
  reply.header('content-length', bytes.to - bytes.from + 1);
  nameCodecs(reply, layout.codecs, { forBrowsers, keyFramesOnly: false });
  return reply.send(
    Readable.from(readSealed(database, deviceId, layout, bytes, signal), { objectMode: false }),
  );
}

/** An answer whose length nobody knows beforehand. */
async function streamParts(
  reply: FastifyReply,
  { onFault }: MediaEndpointOptions,
  {
    items,
    offer,
    missing,
  }: {
    readonly items: AsyncGenerator<MediaItem>;
    readonly offer: Offer;
    readonly missing: readonly AwayPart[];
  },
  signal: AbortSignal,
): Promise<FastifyReply> {
  try {
    // Before the status is sent: who has nothing to play says so.
    const first = await items.next();
    if (first.done || first.value.kind !== 'init') {
      const [absent] = missing;
      if (absent) return refuse(reply, notConnected(absent));
      return refuse(reply, { refused: 'NOTHING_RECORDED', message: 'nothing can be played of this time' });
    }
    const { init } = first.value;
    reply.header('accept-ranges', 'none');
    nameCodecs(reply, init.codecs, offer);
    const shown = shownItems(first.value, items, offer);
    return reply.send(Readable.from(unbroken(shown, signal, onFault), { objectMode: false }));
  } catch (error) {
    if (error instanceof MediaRefusedError) {
      return refuse(reply, { refused: error.code, message: error.message });
    }
    throw error;
  }
}

async function* shownItems(
  first: MediaItem,
  others: AsyncGenerator<MediaItem>,
  offer: Offer,
): AsyncGenerator<Uint8Array> {
  let hidden: readonly number[] = [];
  const shown = (item: MediaItem): Uint8Array | null => {
    if (item.kind === 'init') hidden = offered(item.init.codecs, offer).hiddenTracks;
    if (item.kind !== 'init' && item.kind !== 'fragment') return null;
    const { bytes } = item.kind === 'init' ? item.init : item.fragment;
    return hideTracks(bytes, hidden);
  };
  yield shown(first)!;
  for await (const item of others) {
    const bytes = shown(item);
    if (bytes !== null) yield bytes;
  }
}

async function* unbroken<Piece>(
  shown: AsyncGenerator<Piece>,
  signal: AbortSignal,
  onFault: (error: unknown) => void,
): AsyncGenerator<Piece> {
  try {
    yield* shown;
  } catch (error) {
    // The connection is broken off, so that nobody takes a part for the whole.
    const expected = error instanceof MediaRefusedError || error instanceof SegmentGoneError;
    if (!expected && !signal.aborted) onFault(error);
    throw error;
  }
}

/** What the camera said of the scene, beside the pictures. */
async function sendMetadata(
  request: DeviceRequest,
  reply: FastifyReply,
  options: MediaEndpointOptions,
): Promise<FastifyReply> {
  const deviceId = DeviceId.safeParse(request.params.deviceId.toLowerCase()).data;
  if (!deviceId) return refuse(reply, { refused: 'NO_SUCH_DEVICE', message: 'the address names no device' });
  const asked = spanOf(request.query);
  if ('message' in asked) return reply.code(400).send({ code: 'BAD_USER_INPUT', message: asked.message });
  const left = leftSignal(reply);
  const plan = await planRecording(deviceId, asked, options);
  if (isRefusal(plan)) return refuse(reply, plan);
  const { span, sources, parts } = plan;
  nameParts(reply, plan);
  const lines = metadataLines(
    playParts({ deviceId, parts, sources, keyFramesOnly: false, signal: left }),
    span,
  );
  reply.type('application/x-ndjson; charset=utf-8');
  return reply.send(Readable.from(unbroken(lines, left, options.onFault), { objectMode: false }));
}

async function sendSnapshot(
  request: DeviceRequest,
  reply: FastifyReply,
  { directory }: MediaEndpointOptions,
): Promise<FastifyReply> {
  const deviceId = DeviceId.safeParse(request.params.deviceId.toLowerCase()).data;
  if (!deviceId) return refuse(reply, { refused: 'NO_SUCH_DEVICE', message: 'the address names no device' });
  const { at } = request.query;
  const atMs = at === undefined ? null : timeOf(at);
  if (at !== undefined && atMs === null) {
    return reply
      .code(400)
      .send({ code: 'BAD_USER_INPUT', message: 'at: expected ISO 8601 with a time zone' });
  }
  const snapshot = await directory.snapshot(deviceId, atMs, leftSignal(reply));
  if (isRefusal(snapshot)) return refuse(reply, snapshot);
  if (snapshot.atMs !== null) reply.header('x-holdfast-at', new Date(snapshot.atMs).toISOString());
  return reply.header('cache-control', 'no-store').type('image/jpeg').send(Buffer.from(snapshot.jpeg));
}

/** Aborted when whoever asked is gone. To be taken before anything is waited for: it is said once. */
function leftSignal(reply: FastifyReply): AbortSignal {
  const left = new AbortController();
  reply.raw.on('close', () => left.abort());
  return left.signal;
}

function spanOf(query: Record<string, string>): TimeSpan | { readonly message: string } {
  const fromMs = timeOf(query.from);
  const toMs = timeOf(query.to);
  if (fromMs === null || toMs === null) {
    return { message: 'from, to: expected ISO 8601 with a time zone, e.g. 2026-11-20T12:00:00Z' };
  }
  if (toMs <= fromMs) return { message: 'to: expected a time after `from`' };
  if (toMs - fromMs > RECORDING_SPAN_MS_MAX) return { message: 'to: expected at most 24 hours after `from`' };
  return { fromMs, toMs };
}

function timeOf(text: string | undefined): number | null {
  try {
    return DateTime.parseValue(text);
  } catch {
    return null;
  }
}

function nameParts(reply: FastifyReply, { parts, missing }: RecordingPlan): void {
  const times = ({ fromMs, toMs }: TimeSpan) =>
    `${new Date(fromMs).toISOString()}/${new Date(toMs).toISOString()}`;
  const name = (header: string, words: readonly string[]) => {
    const named = words.slice(0, PARTS_NAMED_MAX);
    reply.header(header, [...named, ...(words.length > named.length ? ['...'] : [])].join(', '));
  };
  name(
    PARTS_HEADER,
    parts.map(part => `${part.place} ${times(part)}`),
  );
  if (missing.length === 0) return;
  name(
    MISSING_HEADER,
    missing.map(part => `NOT_CONNECTED ${part.recordingServerId} ${times(part)}`),
  );
}

/** Sound that was left out, because browsers do not play it, is named in a header. */
function nameCodecs(reply: FastifyReply, all: string, offer: Offer): void {
  const { codecs, withheld } = offered(all, offer);
  if (withheld.length > 0) reply.header(WITHHELD_HEADER, withheld.join(','));
  reply.type(`video/mp4; codecs="${codecs}"`);
}

function refuse(reply: FastifyReply, { refused, message }: MediaRefusal): FastifyReply {
  return reply.code(statusOf[refused]).send({ code: refused, message });
}
