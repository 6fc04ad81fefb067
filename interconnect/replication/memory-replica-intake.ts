import {
  comparePlaces,
  endOf,
  equalBytes,
  type LogPlace,
  type RecordedEvent,
  type SignedCheckpoint,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { ReplicaCursor, ReplicaIntake, ReplicaMender, ReplicaReader } from './replica-intake.js';
import { leafHashesOf } from './subtree-hashes.js';

interface Replica {
  fence: number;
  cursor: ReplicaCursor;
  readonly events: RecordedEvent[];
  /** The newest of each epoch. */
  readonly checkpoints: Map<number, SignedCheckpoint>;
}

/** Replicas that are forgotten: the twin of the durable intakes, for tests and simulations. */
export interface MemoryReplicaIntake extends ReplicaIntake, ReplicaReader, ReplicaMender {
  /** What is held of one site, in the order of its positions. */
  events(site: SiteId): readonly RecordedEvent[];
  /** What is held of all sites, in the order of the commits. */
  feed(): readonly RecordedEvent[];
  /** Whether all that is held of a site is signed by it. */
  isSigned(site: SiteId): boolean;
  /** All of it as it is now, as a backup of a database. */
  copy(): MemoryReplicaIntake;
}

const nothing: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };

export function createMemoryReplicaIntake(): MemoryReplicaIntake {
  return intakeOf(new Map(), []);
}

function intakeOf(replicas: Map<SiteId, Replica>, feed: RecordedEvent[]): MemoryReplicaIntake {
  return {
    async openSession(site) {
      const replica = replicas.get(site) ?? newReplica();
      replicas.set(site, replica);
      replica.fence += 1;
      return { fence: replica.fence, cursor: replica.cursor };
    },

    async commit({ site, fence, before, after, events, checkpoint }) {
      assertContinuous(site, before, after, events);
      const replica = replicas.get(site);
      if (replica?.fence !== fence) return 'FENCED';
      if (!sameCursor(replica.cursor, before)) return 'STALE_CURSOR';
      replica.cursor = after;
      replica.events.push(...events);
      feed.push(...events);
      if (checkpoint !== undefined) replica.checkpoints.set(checkpoint.head.epoch, checkpoint);
      return 'COMMITTED';
    },

    async replaceTail({ site, common, held, events: pulled, proven }) {
      const events: RecordedEvent[] = [];
      for await (const page of pulled) events.push(...page);
      const replica = replicas.get(site)!;
      const isBeginning = comparePlaces(common, held) === 0;
      if (isBeginning && comparePlaces(replica.cursor, held) !== 0) return 'MOVED';
      const replaced = new Set(replica.events.filter(event => comparePlaces(event, common) > 0));
      if ([...replaced].some(({ type }) => type === 'LogTruncated')) return 'TRUNCATED';
      replica.events.splice(replica.events.length - replaced.size, replaced.size, ...events);
      feed.splice(0, feed.length, ...feed.filter(event => !replaced.has(event)), ...events);
      for (const [epoch, { head }] of replica.checkpoints) {
        if (comparePlaces(endOf(head), common) > 0) replica.checkpoints.delete(epoch);
      }
      const { end, checkpoints } = proven();
      for (const checkpoint of checkpoints) replica.checkpoints.set(checkpoint.head.epoch, checkpoint);
      replica.cursor = end;
      replica.fence += 1;
      return replaced.size === 0 ? 'EXTENDED' : 'REPLACED';
    },

    cursor: async site => replicas.get(site)?.cursor ?? null,

    async read({ site, after, limit }) {
      return eventsAfter(after, replicas.get(site)?.events ?? [], limit);
    },

    leafHashes: async ({ site, after, limit }) => {
      return leafHashesOf(eventsAfter(after, replicas.get(site)?.events ?? [], limit), after);
    },

    checkpoint: async (site, epoch) => {
      const checkpoints = replicas.get(site)?.checkpoints ?? new Map();
      return checkpoints.get(epoch ?? Math.max(...checkpoints.keys())) ?? null;
    },

    sites: async () =>
      [...replicas].flatMap(([site, { checkpoints }]) => (checkpoints.size > 0 ? [site] : [])),
    events: site => replicas.get(site)?.events ?? [],
    feed: () => feed,
    isSigned: site => {
      const { cursor, checkpoints } = replicas.get(site) ?? newReplica();
      return cursor.position === (checkpoints.get(cursor.epoch)?.head.size ?? 0);
    },
    copy: () => intakeOf(new Map([...replicas].map(([site, replica]) => [site, copyOf(replica)])), [...feed]),
  };
}

function copyOf({ events, checkpoints, ...replica }: Replica): Replica {
  return { ...replica, events: [...events], checkpoints: new Map(checkpoints) };
}

function newReplica(): Replica {
  return { fence: 0, cursor: nothing, events: [], checkpoints: new Map() };
}

/** Found by halving: each page of a long replica would be looked for from its beginning on. */
function eventsAfter(
  place: LogPlace,
  events: readonly RecordedEvent[],
  limit: number,
): readonly RecordedEvent[] {
  let [first, end] = [0, events.length];
  while (first < end) {
    const middle = (first + end) >> 1;
    if (comparePlaces(events[middle]!, place) > 0) end = middle;
    else first = middle + 1;
  }
  return events.slice(first, first + limit);
}

function sameCursor(one: ReplicaCursor, other: ReplicaCursor): boolean {
  return (
    one.epoch === other.epoch &&
    one.position === other.position &&
    one.treeEdge.length === other.treeEdge.length &&
    one.treeEdge.every((hash, index) => equalBytes(hash, other.treeEdge[index]!))
  );
}

/** The replication server has checked all this; a mistake here would be for ever, so it is believed twice. */
function assertContinuous(
  site: SiteId,
  before: ReplicaCursor,
  after: ReplicaCursor,
  events: readonly RecordedEvent[],
): void {
  const start = after.epoch === before.epoch ? before.position : 0;
  const isContinuous =
    after.epoch >= before.epoch &&
    after.position === start + events.length &&
    events.every(
      (event, index) =>
        event.site === site && event.epoch === after.epoch && event.position === start + 1 + index,
    );
  if (isContinuous) return;
  throw new RangeError(
    `${events.length} events do not lead site ${site} from ${before.epoch}/${before.position} to ${after.epoch}/${after.position}`,
  );
}
