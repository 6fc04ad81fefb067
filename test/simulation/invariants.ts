import {
  endOf,
  equalBytes,
  extendEdge,
  LOG_START,
  type LogPlace,
  openCheckpoint,
  openCosignature,
  placeOf,
  type RecordedEvent,
  rootOf,
  type SignedCheckpoint,
  type TreeEdge,
  witnessName,
} from '@holdfast/core';
import type { AcknowledgedLevels } from '@holdfast/interconnect';
import type { EventId, SiteId } from '@holdfast/schema';
import { simulatedHash } from './simulated-hash.js';
import { keyOf, verifyNote } from './simulated-key.js';
import type { AcknowledgedEvent, SimulatedNode } from './simulated-node.js';

/** Something that must never be is. */
export class InvariantBrokenError extends Error {
  override readonly name = 'InvariantBrokenError';
  readonly code = 'INVARIANT_BROKEN';
}

/** What one site's disk has ever held, and what it holds. */
class Truth {
  /** By place: after a copy was restored, another event may stand where one stood before. */
  readonly ever = new Map<number, RecordedEvent[]>();
  /** Of the tree up to each place. */
  readonly rootsEver = new Map<number, Uint8Array[]>();
  treeEdge: TreeEdge = [];
  /** Ever, for whichever child. */
  readonly wishes = new Set<EventId | null>();
  generation = -1;
  /** Of the node, when its disk was looked at last. */
  writeCount = -1;
  readonly byId = new Map<EventId, RecordedEvent>();
  readonly streams = new Map<string, RecordedEvent[]>();
  after: LogPlace = LOG_START;
  recordedAt = -1n;
  /** It and its parent have forgotten together what it has answered. */
  mayAnswerAgain = false;
  /** Acknowledged to whoever appended them, and not excused. */
  readonly acknowledged = new Set<EventId>();

  /** The disk holds another history: it is read from the beginning. */
  readAgain(generation: number): void {
    this.generation = generation;
    this.byId.clear();
    this.streams.clear();
    this.after = LOG_START;
    this.recordedAt = -1n;
  }
}

/** What was looked at of a replica, and the places that it has ever held. */
class SeenReplica {
  length = 0;
  readonly heldEver = new Set<number>();
}

/** One node, what its disk holds, and what was looked at of it last. */
class Watched {
  readonly node: SimulatedNode;
  readonly truth = new Truth();
  feedLength = -1;
  /** Of its database. */
  replicasGeneration = -1;
  /** What it counts as held above. */
  levels: AcknowledgedLevels | null = null;
  /** Of each site. */
  readonly replicas = new Map<SiteId, SeenReplica>();

  constructor(node: SimulatedNode, sites: readonly SiteId[]) {
    this.node = node;
    for (const site of sites) this.replicas.set(site, new SeenReplica());
  }

  get hasNewLog(): boolean {
    const { generation, writeCount } = this.node;
    return generation !== this.truth.generation || writeCount !== this.truth.writeCount;
  }

  get hasNewReplicas(): boolean {
    const { replicas, replicasGeneration } = this.node;
    return replicasGeneration !== this.replicasGeneration || replicas.feed().length !== this.feedLength;
  }
}

/** A history has far fewer events than places in an epoch here. */
const EPOCH_PLACES = 2 ** 20;
const keyOfPlace = ({ epoch, position }: LogPlace): number => epoch * EPOCH_PLACES + position;
const nameOf = ({ epoch, position }: LogPlace): string => `${epoch}/${position}`;

/** Watches a world: what is new since the last look must be right, and what was right must still be there. */
export class Invariants {
  readonly #watched: readonly Watched[];
  readonly #bySite: ReadonlyMap<SiteId, Watched>;
  readonly #acknowledged: AcknowledgedEvent[] = [];
  readonly #receipts: { readonly node: SimulatedNode; readonly receipt: SignedCheckpoint }[] = [];
  #eventCount = 0;
  #receiptCount = 0;

  constructor(nodes: readonly SimulatedNode[]) {
    const sites = nodes.map(({ site }) => site);
    this.#watched = nodes.map(node => new Watched(node, sites));
    this.#bySite = new Map(this.#watched.map(watched => [watched.node.site, watched]));
  }

  acknowledge(events: readonly AcknowledgedEvent[]): void {
    this.#acknowledged.push(...events);
  }

  /** The node has stored what its parent has cosigned. */
  receipted(node: SimulatedNode, receipt: SignedCheckpoint): void {
    this.#receipts.push({ node, receipt });
  }

  /** A copy is restored that has only these events: what is not held above either may be gone for ever. */
  excuse(node: SimulatedNode, copied: readonly RecordedEvent[]): void {
    const all = holdersOf(node).map(({ replicas }) => replicas.events(node.site));
    // Of a region that was restored with the site, what the centre has not goes as soon as the centre is heard.
    const held = all
      .filter((events, hops) => all.slice(hops).every(above => isOneHistory(events, above)))
      .flat();
    const kept = new Set([...copied, ...held].map(({ id }) => id));
    const { acknowledged } = this.#truthOf(node.site);
    for (const id of acknowledged) if (!kept.has(id)) acknowledged.delete(id);
  }

  /** A region is restored with its database: what it, and perhaps the site, had of answers to its wishes is known above alone. */
  excuseAnswers({ site }: SimulatedNode): void {
    this.#truthOf(site).mayAnswerAgain = true;
  }

  /** What the disk of a site holds, in order. */
  eventsOf(site: SiteId): readonly RecordedEvent[] {
    return [...this.#truthOf(site).byId.values()];
  }

  get eventCount(): number {
    return this.#eventCount;
  }

  get receiptCount(): number {
    return this.#receiptCount;
  }

  /** After every step. Null when nothing was new, which is so after most. Throws, or rejects with, `InvariantBrokenError`. */
  check(): Promise<void> | null {
    let isNew = this.#acknowledged.length > 0 || this.#receipts.length > 0;
    for (const watched of this.#watched) {
      isNew ||= watched.hasNewLog || watched.hasNewReplicas;
      if (watched.levels !== watched.node.levels) isNew = true;
    }
    return isNew ? this.#checkNew() : null;
  }

  async #checkNew(): Promise<void> {
    for (const watched of this.#watched) {
      if (watched.hasNewLog && (await this.#checkLog(watched))) this.#checkAnswers(watched.node);
    }
    this.#checkAcknowledged();
    for (const holder of this.#watched) {
      if (!holder.hasNewReplicas) continue;
      this.#lookAgain(holder);
      for (const { node, truth } of this.#watched) this.#checkReplica(holder, node.site, truth);
      this.#checkFeed(holder);
    }
    for (const watched of this.#watched) this.#checkLevels(watched);
    for (const { node, receipt } of this.#receipts.splice(0)) {
      this.#checkReceipt(node, receipt);
      this.#receiptCount += 1;
    }
  }

  /** What has not arrived yet; null when nothing is missing anywhere. */
  missing(): string | null {
    // Asked after every step, so that what costs little is looked at first.
    for (const {
      node,
      truth: { byId },
    } of this.#watched) {
      if (!node.isContent) return `${node.site} has not appended everything that was wanted`;
      for (const { site, replicas } of holdersOf(node)) {
        const held = replicas.events(node.site).length;
        if (held !== byId.size) return `${site} holds ${held} of ${byId.size} events of ${node.site}`;
      }
    }
    for (const {
      node: { site, parent },
      truth: { byId, acknowledged },
    } of this.#watched) {
      for (const id of acknowledged)
        if (!byId.has(id)) return `${site} has lost the acknowledged event ${id}`;
      if (parent === null) continue;
      const answered = this.#answeredBy(site, parent.node.site);
      for (const { id } of this.#streamOf(parent.node.site, `wishes-${site}`))
        if (!answered.has(id)) return `${site} has not answered the wish ${id}`;
    }
    return null;
  }

  /** No wish is answered twice, and none that the parent never had; those that it has not lost are answered in their order. */
  #checkAnswers({ site, parent }: SimulatedNode): void {
    if (parent === null) return;
    const truth = this.#truthOf(parent.node.site);
    const answers = this.#streamOf(site, `answers-${parent.node.site}`);
    const answered = this.#answeredBy(site, parent.node.site);
    if (answered.size !== answers.length && !this.#truthOf(site).mayAnswerAgain)
      fail(`${site} has answered a wish twice`);
    for (const id of answered) {
      if (!truth.wishes.has(id))
        fail(`${site} has answered the wish ${id}, which ${parent.node.site} never had`);
    }
  }

  #answeredBy(site: SiteId, parent: SiteId): ReadonlySet<EventId | null> {
    return new Set(this.#streamOf(site, `answers-${parent}`).map(({ causationId }) => causationId));
  }

  #streamOf(site: SiteId, stream: string): readonly RecordedEvent[] {
    return this.#truthOf(site).streams.get(stream) ?? [];
  }

  /** False when nothing was appended since. */
  async #checkLog({ node, truth }: Watched): Promise<boolean> {
    if (truth.generation !== node.generation) {
      this.#eventCount -= truth.byId.size;
      truth.readAgain(node.generation);
    }
    truth.writeCount = node.writeCount;
    const events = await node.log.read({ after: truth.after, limit: 5000 });
    for (const event of events) {
      const expected = truth.after.epoch === event.epoch ? truth.after.position + 1 : 1;
      if (event.position !== expected)
        fail(`${node.site} has ${nameOf(event)} behind ${nameOf(truth.after)}`);
      if (event.recordedAt <= truth.recordedAt)
        fail(`the clock of the log of ${node.site} ran back at ${nameOf(event)}`);
      const stream = truth.streams.get(event.stream) ?? [];
      const revision = stream.length;
      if (event.revision !== revision)
        fail(`${nameOf(event)} of ${node.site} has revision ${event.revision}, not ${revision}`);
      if (truth.byId.has(event.id)) fail(`${node.site} holds the event ${event.id} twice`);
      const place = keyOfPlace(event);
      const ever = truth.ever.get(place) ?? [];
      if (!ever.some(known => isSame(known, event))) truth.ever.set(place, [...ever, event]);
      const before = event.position === 1 ? [] : truth.treeEdge;
      truth.treeEdge = extendEdge(before, event.position - 1, [event.leafHash], simulatedHash);
      const root = rootOf(truth.treeEdge, event.position, simulatedHash);
      truth.rootsEver.set(place, [...(truth.rootsEver.get(place) ?? []), root]);
      truth.byId.set(event.id, event);
      this.#eventCount += 1;
      if (event.stream.startsWith('wishes-')) truth.wishes.add(event.id);
      stream.push(event);
      truth.streams.set(event.stream, stream);
      truth.recordedAt = event.recordedAt;
      truth.after = placeOf(event);
    }
    return events.length > 0;
  }

  /** What was acknowledged since the last look is on the disk, once and as it was given. */
  #checkAcknowledged(): void {
    for (const { site, id, data } of this.#acknowledged.splice(0)) {
      const { byId, acknowledged } = this.#truthOf(site);
      const event = byId.get(id);
      acknowledged.add(id);
      if (event === undefined) fail(`${site} has acknowledged ${id}, which is not on its disk`);
      else if (!equalBytes(event.data, data)) fail(`${site} holds ${id} with other data than was appended`);
    }
  }

  /** What a site keeps as a proof is one: signed by both, of a history that its disk had and its parent held. */
  #checkReceipt({ site, parent }: SimulatedNode, { head, note }: SignedCheckpoint): void {
    const holder = parent!.node.site;
    const said = openCheckpoint(
      note,
      { publicKey: keyOf(site).publicKey, verify: verifyNote },
      simulatedHash,
    );
    const witness = { name: witnessName(holder), publicKey: keyOf(holder).publicKey, verify: verifyNote };
    openCosignature(note, witness, simulatedHash);
    const place = endOf(head);
    const roots = this.#truthOf(site).rootsEver.get(keyOfPlace(place)) ?? [];
    if (!equalBytes(said.root, head.root) || !roots.some(root => equalBytes(root, head.root)))
      fail(`${site} has a receipt for a history up to ${nameOf(place)} that its disk never had`);
    if (!this.#hasHeld(holder, site, place))
      fail(`${site} has a receipt for ${nameOf(place)}, which ${holder} never held`);
  }

  /** What a site counts as held above, and may remove for that, was held there. An acknowledgement that was tampered with is a parent's lie. */
  #checkLevels(watched: Watched): void {
    const { node } = watched;
    const { levels, site } = node;
    if (levels === watched.levels) return;
    watched.levels = levels;
    const holders = holdersOf(node);
    if ([node, ...holders].some(({ parent }) => parent?.link.wasFaulty)) return;
    const claims = [
      [levels.parent, holders[0]],
      [levels.top, holders.at(-1)],
    ] as const;
    for (const [place, holder] of claims) {
      if (holder === undefined || place === null || place.position === 0) continue;
      if (!this.#hasHeld(holder.site, site, place))
        fail(`${site} counts ${nameOf(place)} as held by ${holder.site}, which never held it`);
    }
  }

  #hasHeld(holder: SiteId, origin: SiteId, place: LogPlace): boolean {
    return this.#bySite.get(holder)!.replicas.get(origin)!.heldEver.has(keyOfPlace(place));
  }

  #truthOf(site: SiteId): Truth {
    return this.#bySite.get(site)!.truth;
  }

  /** A database that was restored, or of which an end was replaced, is read from the beginning. */
  #lookAgain(holder: Watched): void {
    const { replicasGeneration } = holder.node;
    if (holder.replicasGeneration === replicasGeneration) return;
    holder.replicasGeneration = replicasGeneration;
    holder.feedLength = -1;
    for (const replica of holder.replicas.values()) replica.length = 0;
  }

  /** Replicas are byte for byte what their site's disk has held, dense, and only grow. */
  #checkReplica(holder: Watched, origin: SiteId, truth: Truth): void {
    const { site } = holder.node;
    const events = holder.node.replicas.events(origin);
    const seen = holder.replicas.get(origin)!;
    if (events.length < seen.length)
      fail(`${site} holds ${events.length} events of ${origin}, it held ${seen.length}`);
    for (let index = seen.length; index < events.length; index += 1) {
      const event = events[index]!;
      const before = events[index - 1];
      const expected = before?.epoch === event.epoch ? before.position + 1 : 1;
      if (event.position !== expected) fail(`${site} holds ${nameOf(event)} of ${origin} behind a gap`);
      const place = keyOfPlace(event);
      if (!truth.ever.get(place)?.some(original => isSame(original, event)))
        fail(`${site} holds ${nameOf(event)} of ${origin} as its disk never did`);
      seen.heldEver.add(place);
    }
    seen.length = events.length;
  }

  /** The feed holds what the replicas hold: each event once. */
  #checkFeed(holder: Watched): void {
    const { replicas, site } = holder.node;
    const feed = replicas.feed();
    const held = this.#watched.reduce((sum, { node }) => sum + replicas.events(node.site).length, 0);
    if (feed.length !== held) fail(`the feed of ${site} has ${feed.length} events, its replicas ${held}`);
    if (feed.length < holder.feedLength) fail(`the feed of ${site} has shrunk`);
    holder.feedLength = feed.length;
  }
}

/** Those above a node, the nearest first. */
export function holdersOf({ parent }: SimulatedNode): readonly SimulatedNode[] {
  return parent === null ? [] : [parent.node, ...holdersOf(parent.node)];
}

function isOneHistory(one: readonly RecordedEvent[], other: readonly RecordedEvent[]): boolean {
  const last = Math.min(one.length, other.length) - 1;
  return last < 0 || isSame(one[last]!, other[last]!);
}

function isSame(one: RecordedEvent, other: RecordedEvent): boolean {
  return equalBytes(one.header, other.header) && equalBytes(one.data, other.data);
}

function fail(message: string): never {
  throw new InvariantBrokenError(message);
}
