import { randomUUID } from 'node:crypto';
import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  SubjectKeysClient,
  type WireOfferAnswer,
  type WireOfferRequest,
  type WireReclaimAnswer,
  type WireReclaimRequest,
} from '@holdfast/protos';
import type { SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { siteOfCertificate } from '../certificates/site-of-certificate.js';
import type { GrpcServer } from '../transport/grpc-server.js';
import { InvalidKeysError, isCount, readSubjectKeyPage } from './subject-key-page.js';
import { OFFERED_KEYS_MAX, type SubjectKeySink } from './subject-key-store.js';

/**
 * Takes the keys that enrolled children offer, and tells them what is kept of theirs. A call that is not as it should be is refused,
 * and nothing of it is kept.
 */
export function registerSubjectKeyService(
  server: GrpcServer,
  options: {
    readonly sink: SubjectKeySink;
    readonly enrolled: (site: SiteId) => boolean;
    readonly logger: Logger;
  },
): void {
  const { sink, enrolled, logger } = options;
  const life = randomUUID();
  const forChild =
    <Request, Answer>(answerOf: (child: SiteId, request: Request) => Answer) =>
    (call: ServerUnaryCall<Request, Answer>, answer: sendUnaryData<Answer>): void => {
      const child = siteOfCertificate(call.getAuthContext().sslPeerCertificate);
      if (child === null || !enrolled(child)) {
        answer({ code: status.PERMISSION_DENIED, details: 'NOT_ENROLLED: this site is not enrolled here' });
        return;
      }
      try {
        answer(null, answerOf(child, call.request));
      } catch (error) {
        const isChildsFault = error instanceof InvalidKeysError;
        logger.error({ err: error, child }, 'keys of a child were not taken or given');
        answer({
          code: isChildsFault ? status.INVALID_ARGUMENT : status.INTERNAL,
          details: isChildsFault ? error.message : 'the keys could not be kept',
        });
      }
    };
  server.addService(SubjectKeysClient.service, {
    Offer: forChild<WireOfferRequest, WireOfferAnswer>((from, request) => {
      const { upTo, keys, erased } = readSubjectKeyPage(request);
      if (keys.length + erased.length > 0) sink.take({ from, keys, erased });
      return { heardUpTo: upTo };
    }),
    Reclaim: forChild<WireReclaimRequest, WireReclaimAnswer>((child, { after }) => {
      if (!isCount(after)) throw new InvalidKeysError(`after: expected a count, got ${after}`);
      return { ...sink.keysFor(child, after, OFFERED_KEYS_MAX), life };
    }),
  });
}
