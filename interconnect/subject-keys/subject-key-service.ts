import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { SubjectKeysClient, type WireOfferAnswer, type WireOfferRequest } from '@holdfast/protos';
import { SiteId, Subject, SubjectKeyId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { siteOfCertificate } from '../certificates/site-of-certificate.js';
import type { GrpcServer } from '../transport/grpc-server.js';
import {
  OFFERED_KEYS_MAX,
  type OfferedKey,
  SUBJECT_KEY_BYTES,
  type SubjectKeySink,
} from './subject-key-store.js';

type Offer = ServerUnaryCall<WireOfferRequest, WireOfferAnswer>;

/** Takes the keys that enrolled children offer. A call that is not as it should be is refused, and nothing of it is kept. */
export function registerSubjectKeyService(
  server: GrpcServer,
  options: {
    readonly sink: SubjectKeySink;
    readonly enrolled: (site: SiteId) => boolean;
    readonly logger: Logger;
  },
): void {
  const { sink, enrolled, logger } = options;
  const offer = (call: Offer, answer: sendUnaryData<WireOfferAnswer>): void => {
    const child = siteOfCertificate(call.getAuthContext().sslPeerCertificate);
    if (child === null || !enrolled(child)) {
      answer({ code: status.PERMISSION_DENIED, details: 'NOT_ENROLLED: this site is not enrolled here' });
      return;
    }
    try {
      const { upTo, keys } = readOffer(call.request);
      if (keys.length > 0) sink.take(keys);
      answer(null, { heardUpTo: upTo });
    } catch (error) {
      const isChildsFault = error instanceof InvalidOfferError;
      logger.error({ err: error, child }, 'keys of a child were not taken');
      answer({
        code: isChildsFault ? status.INVALID_ARGUMENT : status.INTERNAL,
        details: isChildsFault ? error.message : 'the keys could not be kept',
      });
    }
  };
  server.addService(SubjectKeysClient.service, { Offer: offer });
}

export class InvalidOfferError extends Error {
  override readonly name = 'InvalidOfferError';
  readonly code = 'INVALID_KEY_OFFER';
}

function readOffer({ keys, upTo }: WireOfferRequest): {
  readonly keys: readonly OfferedKey[];
  readonly upTo: number;
} {
  if (!Number.isSafeInteger(upTo) || upTo < 0)
    throw new InvalidOfferError(`up_to: expected a count, got ${upTo}`);
  if (keys.length > OFFERED_KEYS_MAX)
    throw new InvalidOfferError(`${keys.length} keys in one call, at most ${OFFERED_KEYS_MAX}`);
  return {
    upTo,
    keys: keys.map(({ keyId, subject, key, maker: makerText }) => {
      const maker = SiteId.safeParse(makerText);
      const isWellFormed =
        SubjectKeyId.safeParse(keyId).success &&
        Subject.safeParse(subject).success &&
        key.length === SUBJECT_KEY_BYTES;
      if (isWellFormed && maker.success) return { keyId, subject, key, maker: maker.data };
      throw new InvalidOfferError('a key has no id, subject or maker, or not 32 bytes');
    }),
  };
}
