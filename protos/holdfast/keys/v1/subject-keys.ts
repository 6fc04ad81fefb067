import path from 'node:path';
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** `subject-keys.proto` as it stands on the wire: 64-bit integers as numbers (counts stay below 2^53). */
export interface WireOfferRequest {
  readonly keys: readonly WireSubjectKey[];
  readonly upTo: number;
  readonly erased: readonly WireErasedKey[];
}

export interface WireErasedKey {
  readonly keyId: string;
  readonly subject: string;
}

export interface WireSubjectKey {
  readonly keyId: string;
  readonly subject: string;
  readonly key: Uint8Array;
  readonly maker: string;
}

export interface WireOfferAnswer {
  readonly heardUpTo: number;
}

export interface WireReclaimRequest {
  readonly after: number;
}

export interface WireReclaimAnswer {
  readonly keys: readonly WireSubjectKey[];
  readonly erased: readonly WireErasedKey[];
  readonly upTo: number;
  readonly life: string;
}

// Seen from `dist/holdfast/keys/v1`: the .proto files stay where they are written.
const protoRoot = path.resolve(import.meta.dirname, '../../../..');

/** `service`: for a server, `new SubjectKeysClient(…)`: for the side that dials. */
export const SubjectKeysClient: ServiceClientConstructor = load();

function load(): ServiceClientConstructor {
  const definition = loadSync(path.join(protoRoot, 'holdfast/keys/v1/subject-keys.proto'), {
    longs: Number,
    defaults: true,
  });
  let at: GrpcObject | GrpcObject[string] = loadPackageDefinition(definition);
  for (const name of ['holdfast', 'keys', 'v1', 'SubjectKeys']) at = (at as GrpcObject)[name]!;
  return at as ServiceClientConstructor;
}
