import type { WireChildFrame, WireHead, WireParentFrame, WireRefused } from '@holdfast/protos';
import type { FrameCodec, PackedEvents } from './event-frame.js';
import {
  type ChildFrame,
  type EpochHead,
  type ParentFrame,
  ReplicationProtocolError,
  type ReplicationRefusal,
  type ReplicationRefusalCode,
} from './replication-frame.js';

const HASH_BYTES = 32;
/** One hash for each bit that is set in a position below 2^53. */
const TREE_EDGE_HASHES_MAX = 53;
/** Keeps what a peer says about itself or about a fault from filling a log. */
const TEXT_LENGTH_MAX = 500;
const codecByName: ReadonlyMap<string, FrameCodec> = new Map([
  ['CODEC_IDENTITY', 'IDENTITY'],
  ['CODEC_ZSTD', 'ZSTD'],
]);
const refusalCodes: ReadonlySet<string> = new Set<ReplicationRefusalCode>([
  'GAP',
  'FORK',
  'AHEAD',
  'BAD_HASH',
  'BAD_SIGNATURE',
  'UNKNOWN_EPOCH',
  'FENCED',
  'NOT_ENROLLED',
  'PROTOCOL_VIOLATION',
  'UNAVAILABLE',
]);

export function childFrameToWire(frame: ChildFrame): WireChildFrame {
  switch (frame.kind) {
    case 'hello': {
      const { site, software, head, readsZstd } = frame;
      return { hello: { site, software, head, codecs: codecsToWire(readsZstd) } };
    }
    case 'batch': {
      const { epoch, firstPosition, root } = frame;
      return { batch: { epoch, firstPosition, root, ...packedToWire(frame) } };
    }
    case 'wantWishes':
      return { wantWishes: frame.afterRevision === null ? {} : { afterRevision: frame.afterRevision } };
    case 'pong': {
      const { pingSentAtMs, receivedAtMs, sentAtMs, head } = frame;
      return { pong: { pingSentAtMs, receivedAtMs, sentAtMs, head } };
    }
    case 'refused':
      return { refused: refusalToWire(frame) };
  }
}

/** Throws `ReplicationProtocolError`. */
export function childFrameFromWire(wire: WireChildFrame): ChildFrame {
  if (wire.batch) {
    const { epoch, firstPosition, root } = wire.batch;
    return {
      kind: 'batch',
      epoch: atLeast(1, epoch, 'epoch'),
      firstPosition: atLeast(1, firstPosition, 'first_position'),
      root: hashFromWire(root, 'root'),
      ...packedFromWire(wire.batch),
    };
  }
  if (wire.pong) {
    const { pingSentAtMs, receivedAtMs, sentAtMs, head } = wire.pong;
    return {
      kind: 'pong',
      pingSentAtMs: finite(pingSentAtMs),
      receivedAtMs: finite(receivedAtMs),
      sentAtMs: finite(sentAtMs),
      head: headFromWire(head),
    };
  }
  if (wire.wantWishes) {
    const { afterRevision } = wire.wantWishes;
    const isAbsent = afterRevision === undefined || afterRevision === null;
    return {
      kind: 'wantWishes',
      afterRevision: isAbsent ? null : atLeast(0, afterRevision, 'after_revision'),
    };
  }
  if (wire.hello) {
    const { site, software, head, codecs } = wire.hello;
    return {
      kind: 'hello',
      site: text(site),
      software: text(software),
      head: headFromWire(head),
      readsZstd: codecs.includes('CODEC_ZSTD'),
    };
  }
  if (wire.refused) return { kind: 'refused', ...refusalFromWire(wire.refused) };
  throw new ReplicationProtocolError('an empty frame, or one of a newer protocol');
}

export function parentFrameToWire(frame: ParentFrame): WireParentFrame {
  switch (frame.kind) {
    case 'welcome': {
      const { site, software, session, heartbeatMs, readsZstd } = frame;
      return { welcome: { site, software, session, heartbeatMs, codecs: codecsToWire(readsZstd) } };
    }
    case 'want': {
      const { epoch, after, treeEdge, creditBytes } = frame;
      return { want: { epoch, after, treeEdge, creditBytes } };
    }
    case 'ack': {
      const { epoch, position, creditBytes } = frame;
      return { ack: { epoch, position, creditBytes } };
    }
    case 'wishes': {
      const { epoch, firstRevision } = frame;
      return { wishes: { epoch, firstRevision, ...packedToWire(frame) } };
    }
    case 'ping':
      return { ping: { sentAtMs: frame.sentAtMs } };
    case 'refused':
      return { refused: refusalToWire(frame) };
  }
}

/** Throws `ReplicationProtocolError`. */
export function parentFrameFromWire(wire: WireParentFrame): ParentFrame {
  if (wire.ack) {
    const { epoch, position, creditBytes } = wire.ack;
    return {
      kind: 'ack',
      epoch: atLeast(1, epoch, 'epoch'),
      position: atLeast(0, position, 'position'),
      creditBytes: atLeast(0, creditBytes, 'credit_bytes'),
    };
  }
  if (wire.ping) return { kind: 'ping', sentAtMs: finite(wire.ping.sentAtMs) };
  if (wire.wishes) {
    const { epoch, firstRevision } = wire.wishes;
    return {
      kind: 'wishes',
      epoch: atLeast(1, epoch, 'epoch'),
      firstRevision: atLeast(0, firstRevision, 'first_revision'),
      ...packedFromWire(wire.wishes),
    };
  }
  if (wire.welcome) {
    const { site, software, session, heartbeatMs, codecs } = wire.welcome;
    return {
      kind: 'welcome',
      site: text(site),
      software: text(software),
      session: atLeast(0, session, 'session'),
      heartbeatMs: atLeast(1, heartbeatMs, 'heartbeat_ms'),
      readsZstd: codecs.includes('CODEC_ZSTD'),
    };
  }
  if (wire.want) {
    const { epoch, after, treeEdge, creditBytes } = wire.want;
    if (treeEdge.length > TREE_EDGE_HASHES_MAX) {
      throw new ReplicationProtocolError(`a tree edge of ${treeEdge.length} hashes`);
    }
    return {
      kind: 'want',
      epoch: atLeast(1, epoch, 'epoch'),
      after: atLeast(0, after, 'after'),
      treeEdge: treeEdge.map(hash => hashFromWire(hash, 'tree_edge')),
      creditBytes: atLeast(0, creditBytes, 'credit_bytes'),
    };
  }
  if (wire.refused) return { kind: 'refused', ...refusalFromWire(wire.refused) };
  throw new ReplicationProtocolError('an empty frame, or one of a newer protocol');
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
    root: hashFromWire(wire.root, 'root'),
  };
}

function hashFromWire(bytes: Uint8Array, field: string): Uint8Array {
  if (bytes.length !== HASH_BYTES) throw new ReplicationProtocolError(`${field} has ${bytes.length} bytes`);
  return new Uint8Array(bytes);
}

function refusalToWire({ code, detail }: ReplicationRefusal): WireRefused {
  return { code: `CODE_${code}`, detail: text(detail) };
}

function refusalFromWire(wire: WireRefused): ReplicationRefusal {
  const code = String(wire.code).replace(/^CODE_/, '');
  if (!refusalCodes.has(code))
    throw new ReplicationProtocolError(`refused with unknown code ${text(wire.code)}`);
  return { code: code as ReplicationRefusalCode, detail: text(wire.detail) };
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
