import { setTimeout as delay } from 'node:timers/promises';
import { ChannelCredentials, type ServiceError } from '@grpc/grpc-js';
import { SubjectKeysClient, type WireOfferRequest } from '@holdfast/protos';
import type { Logger } from 'pino';
import type { PeerCredentials } from '../certificates/certificate-authority.js';
import { createGrpcChannel, type PeerAddress } from '../transport/grpc-channel.js';
import { OFFERED_KEYS_MAX, type SubjectKeySource } from './subject-key-store.js';

/** Whether there is a new key is one look into a local file; a comment can be read above within about this time. */
const LOOK_MS = 500;
const CALL_MS_MAX = 10_000;
const RETRY_MS_MIN = 1_000;
const RETRY_MS_MAX = 60_000;

export interface SubjectKeyOfferOptions {
  readonly parent: PeerAddress;
  readonly credentials: PeerCredentials;
  readonly source: SubjectKeySource;
  /** 0 inclusive to 1 exclusive. */
  readonly random: () => number;
  readonly logger: Logger;
}

type Client = InstanceType<typeof SubjectKeysClient>;

/**
 * Keeps the parent in possession of this site's subject keys until the signal is aborted. All of them are offered at each start and
 * after each call that failed, about 100 bytes each: no count outlives a file of keys of this site that was restored from an old
 * copy. Never throws for what a peer does.
 */
export async function runSubjectKeyOffers(
  options: SubjectKeyOfferOptions,
  signal: AbortSignal,
): Promise<void> {
  const { source, random, logger } = options;
  let failures = 0;
  while (!signal.aborted) {
    const channel = createGrpcChannel({ peer: options.parent, credentials: options.credentials });
    const client = new SubjectKeysClient('unused', ChannelCredentials.createInsecure(), {
      channelOverride: channel,
    });
    try {
      let told = 0;
      while (!signal.aborted) {
        const next = source.keysAfter(told, OFFERED_KEYS_MAX);
        if (next.upTo > told) {
          await offer(client, next);
          failures = 0;
          told = next.upTo;
        } else await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
      }
    } catch (error) {
      const waitMs = random() * Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures++, 16));
      logger.debug({ err: error, waitMs }, 'the parent takes no keys now');
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    } finally {
      channel.close();
    }
  }
}

function offer(client: Client, request: WireOfferRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + CALL_MS_MAX;
    client.Offer!(request, { deadline }, (error: ServiceError | null) =>
      error === null ? resolve() : reject(error),
    );
  });
}
