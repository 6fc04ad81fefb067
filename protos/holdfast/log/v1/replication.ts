import path from 'node:path';
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** `log.proto` as it stands on the wire: 64-bit integers as numbers (positions stay below 2^53), enums by name. */
export interface WireChildFrame {
  readonly hello?: WireHello | null;
  readonly batch?: WireBatch | null;
  readonly wantWishes?: { readonly afterRevision?: number | null; readonly afterId: string } | null;
  readonly pong?: WirePong | null;
  readonly refused?: WireRefused | null;
  readonly offer?: { readonly checkpoint: string } | null;
  readonly wantHistory?: {
    readonly after: WirePlace | null;
    readonly limit: number;
    readonly origin: string;
  } | null;
}

export interface WireParentFrame {
  readonly welcome?: WireWelcome | null;
  readonly want?: WireWant | null;
  readonly ack?: WireAck | null;
  readonly wishes?: WireWishes | null;
  readonly ping?: { readonly sentAtMs: number } | null;
  readonly refused?: WireRefused | null;
  readonly history?: WireHistory | null;
}

export interface WireHead {
  readonly epoch: number;
  readonly size: number;
  readonly root: Uint8Array;
}

export interface WirePlace {
  readonly epoch: number;
  readonly position: number;
}

export interface WireHello {
  readonly site: string;
  readonly software: string;
  readonly codecs: readonly string[];
  readonly checkpoint: string;
  readonly publicKey: Uint8Array;
}

export interface WireWelcome {
  readonly site: string;
  readonly software: string;
  readonly session: number;
  readonly heartbeatMs: number;
  readonly codecs: readonly string[];
  readonly publicKey: Uint8Array;
}

export interface WireWant {
  readonly epoch: number;
  readonly after: number;
  readonly treeEdge: readonly Uint8Array[];
  readonly creditBytes: number;
  readonly origin: string;
}

export interface WireAck {
  readonly epoch: number;
  readonly position: number;
  readonly creditBytes: number;
  readonly origin: string;
  readonly checkpoint: string;
  readonly top: WirePlace | null;
}

interface WireEvents {
  readonly count: number;
  readonly codec: string;
  readonly rawByteLength: number;
  readonly events: Uint8Array;
}

export interface WireBatch extends WireEvents {
  readonly origin: string;
  readonly epoch: number;
  readonly firstPosition: number;
  readonly root: Uint8Array;
  readonly checkpoint: string;
  readonly consistency: readonly Uint8Array[];
}

export interface WireHistory extends WireEvents {
  readonly epoch: number;
  readonly firstPosition: number;
  readonly checkpoint: string;
  readonly epochCheckpoint: string;
}

export interface WireWishes extends WireEvents {
  readonly epoch: number;
  readonly firstRevision: number;
  readonly fromStart: boolean;
}

export interface WirePong {
  readonly pingSentAtMs: number;
  readonly receivedAtMs: number;
  readonly sentAtMs: number;
  readonly head: WireHead | null;
  readonly relayed?: { readonly heads: readonly WireRelayedHead[] } | null;
}

export interface WireRelayedHead {
  readonly origin: string;
  readonly session: number;
  readonly epoch: number;
  readonly size: number;
}

export interface WireRefused {
  readonly code: string;
  readonly detail: string;
  readonly origin: string;
  readonly held: WirePlace | null;
}

// Seen from `dist/holdfast/log/v1`: the .proto files stay where they are written.
const protoRoot = path.resolve(import.meta.dirname, '../../../..');

/** `service`: for a server, `new ReplicationClient(…)`: for the side that dials. */
export const ReplicationClient: ServiceClientConstructor = load();

function load(): ServiceClientConstructor {
  const definition = loadSync(path.join(protoRoot, 'holdfast/log/v1/log.proto'), {
    longs: Number,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  let at: GrpcObject | GrpcObject[string] = loadPackageDefinition(definition);
  for (const name of ['holdfast', 'log', 'v1', 'Replication']) at = (at as GrpcObject)[name]!;
  return at as ServiceClientConstructor;
}
