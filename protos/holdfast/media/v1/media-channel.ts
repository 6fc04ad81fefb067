import path from 'node:path';
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** `media.proto` as it stands on the wire: 64-bit integers as numbers (times in ms stay below 2^53), enums by name. */
export interface WireChannelFrame {
  hello?: {
    protocolVersion: number;
    siteId: string;
    recordingServerId: string;
    software: string;
    takesControl: boolean;
  };
  open?: WireOpen;
  piece?: WirePiece;
  credit?: { channel: number; byteCount: number };
  close?: { channel: number; code: string; detail: string };
  received?: { byteCount: number };
  heartbeat?: Record<never, never>;
  control?: { id: number; deviceId: string; request: string; askedBy: string };
  sound?: { id: number; data: Uint8Array };
  soundEnd?: { id: number; detail: string };
  controlAnswer?: { id: number; refusal: string; detail: string; answer: string };
}

export interface WireOpen {
  channel: number;
  priority: string;
  creditBytes: number;
  live?: { deviceId: string; stream: string };
  playback?: { deviceId: string; fromMs: number; toMs: number; keyFramesOnly?: boolean };
  retrieve?: { deviceId: string; segmentIds: string[]; resumeAtFragment: number };
}

export interface WirePiece {
  channel: number;
  init?: { codecs: string };
  fragment?: {
    fromMs: number;
    toMs: number;
    arrivalMs: number;
    beginsWithKeyFrame: boolean;
    timeSource: string;
    reducedBecause?: string;
  };
  manifest?: Record<never, never>;
  missing?: { segmentId: string; cause: string };
  itemByteLength: number;
  data: Uint8Array;
  last: boolean;
}

// Seen from `dist/holdfast/media/v1`: the .proto files stay where they are written.
const protoRoot = path.resolve(import.meta.dirname, '../../../..');

/** `service`: for a server, `new MediaChannelClient(…)`: for the side that dials. */
export const MediaChannelClient: ServiceClientConstructor = load();

function load(): ServiceClientConstructor {
  const definition = loadSync(path.join(protoRoot, 'holdfast/media/v1/media.proto'), {
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  let at: GrpcObject | GrpcObject[string] = loadPackageDefinition(definition);
  for (const name of ['holdfast', 'media', 'v1', 'MediaChannel']) at = (at as GrpcObject)[name]!;
  return at as ServiceClientConstructor;
}
