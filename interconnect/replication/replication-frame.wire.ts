import { HASH_BYTES, type LogPlace, NOTE_CHARACTERS_MAX, type WishPlace } from '@holdfast/core';
import type {
  WireChildFrame,
  WireHead,
  WireParentFrame,
  WirePlace,
  WireRefused,
  WireRelayedHead,
} from '@holdfast/protos';
import { EventId, SiteId } from '@holdfast/schema';
import type { FrameCodec, PackedEvents } from './event-frame.js';
import {
  type AckFrame,
  type ChildFrame,
  type EpochHead,
  type HistoryFrame,
  type ParentFrame,
  type RefusedFrame,
  type RelayedHead,
  ReplicationProtocolError,
  type ReplicationRefusalCode,
  replicationRefusalCodes,
} from './replication-frame.js';

/** One hash for each bit that is set in a position below 2^53. */
const TREE_EDGE_HASHES_MAX = 53;
/** One for each level of a tree of so many leaves, and one more. */
const CONSISTENCY_HASHES_MAX = 54;
/** Keeps what a peer says about itself or about a fault from filling a log. */
const TEXT_LENGTH_MAX = 500;
const codecByName: ReadonlyMap<string, FrameCodec> = new Map([
  ['CODEC_IDENTITY', 'IDENTITY'],
  ['CODEC_ZSTD', 'ZSTD'],
]);
const refusalCodes: ReadonlySet<string> = new Set(replicationRefusalCodes);

export function childFrameToWire(frame: ChildFrame): WireChildFrame {
  switch (frame.kind) {
    case 'hello': {
      const { site, software, checkpoint, publicKey, readsZstd } = frame;
      return { hello: { site, software, checkpoint, publicKey, codecs: codecsToWire(readsZstd) } };
    }
    case 'offer':
      return { offer: { checkpoint: frame.checkpoint } };
    case 'batch': {
      const { origin, epoch, firstPosition, root, checkpoint, consistency } = frame;
      const batch = { origin, epoch, firstPosition, root, checkpoint: checkpoint ?? '', consistency };
      return { batch: { ...batch, ...packedToWire(frame) } };
    }
    case 'wantWishes':
      return { wantWishes: wishPlaceToWire(frame.after) };
    case 'wantHistory':
      return { wantHistory: { after: frame.after, limit: frame.limit, origin: frame.origin ?? '' } };
    case 'pong': {
      const { pingSentAtMs, receivedAtMs, sentAtMs, head, relayed } = frame;
      const said = relayed === null ? {} : { relayed: { heads: [...relayed] } };
      return { pong: { pingSentAtMs, receivedAtMs, sentAtMs, head, ...said } };
    }
    case 'refused':
      return { refused: refusedToWire(frame) };
  }
}

/** Throws `ReplicationProtocolError`. */
export function childFrameFromWire(wire: WireChildFrame): ChildFrame {
  if (wire.batch) {
    const { origin, epoch, firstPosition, root, checkpoint, consistency } = wire.batch;
    return {
      kind: 'batch',
      origin: siteFromWire(origin),
      epoch: atLeast(1, epoch, 'epoch'),
      firstPosition: atLeast(1, firstPosition, 'first_position'),
      root: bytesFromWire(root, 'root'),
      checkpoint: checkpoint === '' ? null : noteFromWire(checkpoint),
      consistency: hashesFromWire(consistency, CONSISTENCY_HASHES_MAX, 'consistency'),
      ...packedFromWire(wire.batch),
    };
  }
  if (wire.pong) {
    const { pingSentAtMs, receivedAtMs, sentAtMs, head, relayed } = wire.pong;
    return {
      kind: 'pong',
      pingSentAtMs: finite(pingSentAtMs),
      receivedAtMs: finite(receivedAtMs),
      sentAtMs: finite(sentAtMs),
      head: headFromWire(head),
      relayed: relayed?.heads.map(relayedHeadFromWire) ?? null,
    };
  }
  if (wire.wantWishes) return { kind: 'wantWishes', after: wishPlaceFromWire(wire.wantWishes) };
  if (wire.hello) {
    const { site, software, checkpoint, publicKey, codecs } = wire.hello;
    return {
      kind: 'hello',
      site: text(site),
      software: text(software),
      checkpoint: noteFromWire(checkpoint),
      publicKey: bytesFromWire(publicKey, 'public_key'),
      readsZstd: codecs.includes('CODEC_ZSTD'),
    };
  }
  if (wire.offer) return { kind: 'offer', checkpoint: noteFromWire(wire.offer.checkpoint) };
  if (wire.wantHistory) {
    const { after, limit, origin } = wire.wantHistory;
    if (after === null) throw new ReplicationProtocolError('history after no place');
    return {
      kind: 'wantHistory',
      origin: origin === '' ? null : siteFromWire(origin),
      after: placeFromWire(after),
      limit: atLeast(1, limit, 'limit'),
    };
  }
  if (wire.refused) return refusedFromWire(wire.refused);
  throw new ReplicationProtocolError('an empty frame, or one of a newer protocol');
}

function relayedHeadFromWire({ origin, session, epoch, size }: WireRelayedHead): RelayedHead {
  return {
    origin: siteFromWire(origin),
    session: atLeast(0, session, 'session'),
    epoch: atLeast(1, epoch, 'epoch'),
    size: atLeast(0, size, 'size'),
  };
}

export function parentFrameToWire(frame: ParentFrame): WireParentFrame {
  switch (frame.kind) {
    case 'welcome': {
      const { site, software, session, heartbeatMs, publicKey, readsZstd } = frame;
      return {
        welcome: { site, software, session, heartbeatMs, publicKey, codecs: codecsToWire(readsZstd) },
      };
    }
    case 'want': {
      const { origin, epoch, after, treeEdge, creditBytes } = frame;
      return { want: { origin, epoch, after, treeEdge, creditBytes } };
    }
    case 'ack': {
      const { origin, upTo, creditBytes, checkpoint, top } = frame;
      const { epoch, position } = upTo ?? { epoch: 0, position: 0 };
      return { ack: { origin, epoch, position, creditBytes, checkpoint: checkpoint ?? '', top } };
    }
    case 'wishes': {
      const { epoch, firstRevision, fromStart } = frame;
      return { wishes: { epoch, firstRevision, fromStart, ...packedToWire(frame) } };
    }
    case 'history':
      return { history: historyToWire(frame) };
    case 'ping':
      return { ping: { sentAtMs: frame.sentAtMs } };
    case 'refused':
      return { refused: refusedToWire(frame) };
  }
}

/** Throws `ReplicationProtocolError`. */
export function parentFrameFromWire(wire: WireParentFrame): ParentFrame {
  if (wire.ack) return ackFromWire(wire.ack);
  if (wire.ping) return { kind: 'ping', sentAtMs: finite(wire.ping.sentAtMs) };
  if (wire.wishes) {
    const { epoch, firstRevision, fromStart } = wire.wishes;
    return {
      kind: 'wishes',
      epoch: atLeast(1, epoch, 'epoch'),
      firstRevision: atLeast(0, firstRevision, 'first_revision'),
      fromStart,
      ...packedFromWire(wire.wishes),
    };
  }
  if (wire.welcome) {
    const { site, software, session, heartbeatMs, publicKey, codecs } = wire.welcome;
    return {
      kind: 'welcome',
      site: text(site),
      software: text(software),
      session: atLeast(0, session, 'session'),
      heartbeatMs: atLeast(1, heartbeatMs, 'heartbeat_ms'),
      publicKey: bytesFromWire(publicKey, 'public_key'),
      readsZstd: codecs.includes('CODEC_ZSTD'),
    };
  }
  if (wire.want) {
    const { origin, epoch, after, treeEdge, creditBytes } = wire.want;
    return {
      kind: 'want',
      origin: siteFromWire(origin),
      epoch: atLeast(0, epoch, 'epoch'),
      after: atLeast(0, after, 'after'),
      treeEdge: hashesFromWire(treeEdge, TREE_EDGE_HASHES_MAX, 'tree_edge'),
      creditBytes: atLeast(0, creditBytes, 'credit_bytes'),
    };
  }
  if (wire.history) return historyFromWire(wire.history);
  if (wire.refused) return refusedFromWire(wire.refused);
  throw new ReplicationProtocolError('an empty frame, or one of a newer protocol');
}

function ackFromWire(wire: NonNullable<WireParentFrame['ack']>): AckFrame {
  const upTo = placeFromWire(wire);
  return {
    kind: 'ack',
    origin: siteFromWire(wire.origin),
    upTo: upTo.epoch === 0 ? null : upTo,
    creditBytes: atLeast(0, wire.creditBytes, 'credit_bytes'),
    checkpoint: wire.checkpoint === '' ? null : noteFromWire(wire.checkpoint),
    top: wire.top === null ? null : placeFromWire(wire.top),
  };
}

function historyToWire(frame: HistoryFrame): NonNullable<WireParentFrame['history']> {
  const { events } = frame;
  const none = { count: 0, codec: 'IDENTITY', rawByteLength: 0, events: new Uint8Array(0) } as const;
  const { epoch, firstPosition } = events ?? { epoch: 0, firstPosition: 0 };
  const [checkpoint, epochCheckpoint] = [frame.checkpoint ?? '', frame.epochCheckpoint ?? ''];
  return { epoch, firstPosition, checkpoint, epochCheckpoint, ...packedToWire(events ?? none) };
}

function historyFromWire(wire: NonNullable<WireParentFrame['history']>): HistoryFrame {
  const [checkpoint, epochCheckpoint] = [wire.checkpoint, wire.epochCheckpoint].map(note =>
    note === '' ? null : noteFromWire(note),
  ) as [string | null, string | null];
  const said = { kind: 'history', checkpoint, epochCheckpoint } as const;
  if (wire.count === 0) return { ...said, events: null };
  const epoch = atLeast(1, wire.epoch, 'epoch');
  const firstPosition = atLeast(1, wire.firstPosition, 'first_position');
  return { ...said, events: { epoch, firstPosition, ...packedFromWire(wire) } };
}

function wishPlaceToWire(after: WishPlace | null): NonNullable<WireChildFrame['wantWishes']> {
  return after === null ? { afterId: '' } : { afterRevision: after.revision, afterId: after.wishId ?? '' };
}

function wishPlaceFromWire({
  afterRevision,
  afterId,
}: NonNullable<WireChildFrame['wantWishes']>): WishPlace | null {
  if (afterRevision === undefined || afterRevision === null) return null;
  const wishId = afterId === '' ? null : EventId.safeParse(afterId);
  if (wishId?.success === false) throw new ReplicationProtocolError(`'${text(afterId)}' is no event`);
  return { revision: atLeast(0, afterRevision, 'after_revision'), wishId: wishId?.data ?? null };
}

function codecsToWire(readsZstd: boolean): readonly string[] {
  return readsZstd ? ['CODEC_IDENTITY', 'CODEC_ZSTD'] : ['CODEC_IDENTITY'];
}

function packedToWire({ count, codec, rawByteLength, events }: PackedEvents) {
  return { count, codec: `CODEC_${codec}`, rawByteLength, events };
}

function packedFromWire(wire: {
  readonly count: number;
  readonly codec: string;
  readonly rawByteLength: number;
  readonly events: Uint8Array;
}): PackedEvents {
  const codec = codecByName.get(wire.codec);
  if (codec === undefined) throw new ReplicationProtocolError(`unknown codec ${text(wire.codec)}`);
  return { count: wire.count, codec, rawByteLength: wire.rawByteLength, events: wire.events };
}

function headFromWire(wire: WireHead | null): EpochHead {
  if (wire === null) throw new ReplicationProtocolError('the head is missing');
  return {
    epoch: atLeast(1, wire.epoch, 'epoch'),
    size: atLeast(0, wire.size, 'size'),
    root: bytesFromWire(wire.root, 'root'),
  };
}

/** A hash, a root or a public key: 32 bytes each. */
function bytesFromWire(bytes: Uint8Array, field: string): Uint8Array {
  if (bytes.length !== HASH_BYTES) throw new ReplicationProtocolError(`${field} has ${bytes.length} bytes`);
  return new Uint8Array(bytes);
}

function hashesFromWire(
  hashes: readonly Uint8Array[],
  countMax: number,
  field: string,
): readonly Uint8Array[] {
  if (hashes.length > countMax) throw new ReplicationProtocolError(`${field} has ${hashes.length} hashes`);
  return hashes.map(hash => bytesFromWire(hash, field));
}

function siteFromWire(origin: string): SiteId {
  const site = SiteId.safeParse(origin);
  if (!site.success) throw new ReplicationProtocolError(`'${text(origin)}' is no site`);
  return site.data;
}

function noteFromWire(note: string): string {
  if (note !== '' && note.length <= NOTE_CHARACTERS_MAX) return note;
  throw new ReplicationProtocolError(`a checkpoint of ${note.length} characters`);
}

function placeFromWire(wire: WirePlace): LogPlace {
  return { epoch: atLeast(0, wire.epoch, 'epoch'), position: atLeast(0, wire.position, 'position') };
}

function refusedToWire({ code, detail, origin, held }: RefusedFrame): WireRefused {
  return { code: `CODE_${code}`, detail: text(detail), origin: origin ?? '', held };
}

function refusedFromWire(wire: WireRefused): RefusedFrame {
  const code = String(wire.code).replace(/^CODE_/, '');
  if (!refusalCodes.has(code))
    throw new ReplicationProtocolError(`refused with unknown code ${text(wire.code)}`);
  return {
    kind: 'refused',
    code: code as ReplicationRefusalCode,
    detail: text(wire.detail),
    origin: wire.origin === '' ? null : siteFromWire(wire.origin),
    held: wire.held === null ? null : placeFromWire(wire.held),
  };
}

function atLeast(min: number, value: number, field: string): number {
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new ReplicationProtocolError(`${field} is ${value}, below ${min} or not a whole number below 2^53`);
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new ReplicationProtocolError(`${value} is no time`);
}

function text(value: unknown): string {
  return String(value).slice(0, TEXT_LENGTH_MAX);
}
