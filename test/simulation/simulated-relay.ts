import {
  decodeRecordedEvent,
  type LogHead,
  type NoteSigner,
  type RecordedEvent,
  type SignedCheckpoint,
  signCheckpoint,
} from '@holdfast/core';
import type { OfferedLog, RelayedLogs, ReplicaReader } from '@holdfast/interconnect';
import type { SeededRandom } from './seeded-random.js';
import { simulatedHash as sha256 } from './simulated-hash.js';
import { keyOf } from './simulated-key.js';

const PAGE_EVENTS_MAX = 6;
const FORGE_CHANCE = 0.2;
const HOLD_BACK_CHANCE = 0.1;
/** Seldom enough that what is forged comes with what is truly signed, too. */
const SIGN_CHANCE = 0.3;

/** A node that may be in wrong hands. It has its own key, and nobody else's. */
export interface Forger {
  readonly random: SeededRandom;
  readonly isForging: () => boolean;
  readonly key: NoteSigner;
}

/**
 * What a node relays, in pages as short as only those of a far larger log would be, so that most end short of what its site has
 * signed. While the node is in wrong hands it forges some of it: the bytes of an event are others, all hashes fit them, and
 * now and then it signs that itself in the name of the site, or says that an older checkpoint covers it. It also holds back the
 * rest of an epoch.
 */
export function relayOf(logs: RelayedLogs, forger: Forger): RelayedLogs {
  const { isForging, random } = forger;
  const cut = async function* (
    pages: ReturnType<OfferedLog['subscribe']>,
  ): AsyncGenerator<readonly RecordedEvent[], void, undefined> {
    let heldBackEpoch = 0;
    for await (const page of pages) {
      for (let from = 0; from < page.length; ) {
        const count = 1 + random.below(PAGE_EVENTS_MAX);
        if (isForging() && random.chance(HOLD_BACK_CHANCE)) heldBackEpoch = page[from]!.epoch;
        const given = page.slice(from, from + count).filter(({ epoch }) => epoch !== heldBackEpoch);
        if (given.length > 0) yield given.map(event => forged(event, forger));
        from += count;
      }
    }
  };
  const relay = (log: OfferedLog): OfferedLog => {
    let last: SignedCheckpoint | null = null;
    return {
      ...log,
      subscribe: page => cut(log.subscribe(page)),
      newest: async () => falselySigned(await log.newest(), forger),
      checkpointFor: async end => {
        if (isSigning(forger)) return signedInTheNameOf(end, forger.key);
        // The site has signed it indeed, but not so much.
        if (last !== null && isSigning(forger)) return last;
        last = await log.checkpointFor(end);
        return last;
      },
    };
  };
  return {
    async *follow(signal) {
      for await (const { origin, log } of logs.follow(signal)) yield { origin, log: relay(log) };
    },
  };
}

/** What a node gives back of the logs of others: in wrong hands, the same. */
export function givenBackBy(replicas: ReplicaReader, forger: Forger): ReplicaReader {
  return {
    read: async page => (await replicas.read(page)).map(event => forged(event, forger)),
    leafHashes: page => replicas.leafHashes(page),
    checkpoint: async (site, epoch) => {
      const checkpoint = await replicas.checkpoint(site, epoch);
      return checkpoint && falselySigned(checkpoint, forger);
    },
    sites: () => replicas.sites(),
  };
}

/** What a node signs for what it has taken in: in wrong hands, now and then something else. */
export function cosignerOf(forger: Forger): NoteSigner {
  const { publicKey, sign } = forger.key;
  return { publicKey, sign: bytes => sign(isSigning(forger) ? Uint8Array.of(...bytes, 33) : bytes) };
}

function forged(event: RecordedEvent, { random, isForging }: Forger): RecordedEvent {
  return isForging() && event.type !== 'LogEpochOpened' && random.chance(FORGE_CHANCE)
    ? decodeRecordedEvent(event.header, Uint8Array.of(...event.data, 33), sha256)
    : event;
}

function isSigning({ random, isForging }: Forger): boolean {
  return isForging() && random.chance(SIGN_CHANCE);
}

function falselySigned(checkpoint: SignedCheckpoint, forger: Forger): SignedCheckpoint {
  return isSigning(forger) ? signedInTheNameOf(checkpoint.head, forger.key) : checkpoint;
}

/** The line names the key of the site; the signature is by another one. */
function signedInTheNameOf(head: LogHead, { sign }: NoteSigner): SignedCheckpoint {
  const { publicKey } = keyOf(head.site);
  return { head, note: signCheckpoint(head, { publicKey, sign }, sha256) };
}
