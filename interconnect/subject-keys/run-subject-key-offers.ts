import { setTimeout as delay } from 'node:timers/promises';
import { ChannelCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { backOffMs } from '@holdfast/core';
import {
  SubjectKeysClient,
  type WireOfferAnswer,
  type WireOfferRequest,
  type WireReclaimAnswer,
  type WireReclaimRequest,
} from '@holdfast/protos';
import type { Logger } from 'pino';
import type { PeerCredentials } from '../certificates/certificate-authority.js';
import { createGrpcChannel, type PeerAddress } from '../transport/grpc-channel.js';
import { readSubjectKeyPage } from './subject-key-page.js';
import { OFFERED_KEYS_MAX, type SubjectKeySource } from './subject-key-store.js';

const PACE = {
  /** Whether there is a new key is one look into a local file; a comment can be read above within about this time. */
  lookMs: 500,
  /** Until the parent is asked again what was erased there: some 300 bytes over the link. */
  reclaimMs: 30_000,
};
const CALL_MS_MAX = 10_000;
const RETRY = { firstMs: 1_000, mostMs: 60_000 };

export interface SubjectKeyOfferOptions {
  readonly parent: PeerAddress;
  readonly credentials: PeerCredentials;
  readonly source: SubjectKeySource;
  /** 0 inclusive to 1 exclusive. */
  readonly random: () => number;
  readonly logger: Logger;
  /** Other than the usual one for tests only. */
  readonly pace?: typeof PACE;
}

type Client = InstanceType<typeof SubjectKeysClient>;

/**
 * Keeps the parent in possession of this site's subject keys, and this site of its own, until the signal is aborted. All of them are
 * told, either way, at each start, after each call that failed, and to a parent that began a new life, about 100 bytes each: no
 * count outlives a file of keys that was restored from an old copy. Never throws for what a peer does.
 */
export async function runSubjectKeyOffers(
  options: SubjectKeyOfferOptions,
  signal: AbortSignal,
): Promise<void> {
  const { random, logger, pace = PACE } = options;
  let failures = 0;
  while (!signal.aborted) {
    const channel = createGrpcChannel({ peer: options.parent, credentials: options.credentials });
    const client = new SubjectKeysClient('unused', ChannelCredentials.createInsecure(), {
      channelOverride: channel,
    });
    try {
      const exchange = new KeyExchange(client, { source: options.source, reclaimMs: pace.reclaimMs });
      while (!signal.aborted) {
        if (await exchange.step()) failures = 0;
        else await delay(pace.lookMs, undefined, { signal }).catch(() => undefined);
      }
    } catch (error) {
      const waitMs = backOffMs(RETRY, failures++, random());
      logger.debug({ err: error, waitMs }, 'the parent takes no keys now');
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    } finally {
      channel.close();
    }
  }
}

/** What was told over one channel, each way. */
class KeyExchange {
  readonly #client: Client;
  readonly #source: SubjectKeySource;
  readonly #reclaimMs: number;
  #told = 0;
  #heard = 0;
  #life: string | null = null;
  #reclaimAtMs = 0;

  constructor(
    client: Client,
    { source, reclaimMs }: { readonly source: SubjectKeySource; readonly reclaimMs: number },
  ) {
    this.#client = client;
    this.#source = source;
    this.#reclaimMs = reclaimMs;
  }

  /** False: there is nothing to tell or to ask now. */
  async step(): Promise<boolean> {
    const next = this.#source.keysAfter(this.#told, OFFERED_KEYS_MAX);
    if (next.upTo > this.#told) {
      await call<WireOfferRequest, WireOfferAnswer>(this.#client, 'Offer', next);
      this.#told = next.upTo;
      return true;
    }
    if (performance.now() < this.#reclaimAtMs) return false;
    if (!(await this.#reclaim())) this.#reclaimAtMs = performance.now() + this.#reclaimMs;
    return true;
  }

  /** True when there may be more. */
  async #reclaim(): Promise<boolean> {
    let answer: WireReclaimAnswer;
    try {
      answer = await call<WireReclaimRequest, WireReclaimAnswer>(this.#client, 'Reclaim', {
        after: this.#heard,
      });
    } catch (error) {
      // Older software: it only takes keys.
      if ((error as ServiceError).code === status.UNIMPLEMENTED) return false;
      throw error;
    }
    const isNewLife = this.#life !== null && answer.life !== this.#life;
    this.#life = answer.life;
    if (isNewLife) {
      this.#told = 0;
      this.#heard = 0;
      return true;
    }
    const page = readSubjectKeyPage(answer);
    if (page.keys.length + page.erased.length > 0) await this.#source.takeReturned(page);
    const isMore = page.upTo > this.#heard;
    this.#heard = page.upTo;
    return isMore;
  }
}

function call<Request, Answer>(
  client: Client,
  method: 'Offer' | 'Reclaim',
  request: Request,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + CALL_MS_MAX;
    client[method]!(request, { deadline }, (error: ServiceError | null, answer: Answer) =>
      error === null ? resolve(answer) : reject(error),
    );
  });
}
