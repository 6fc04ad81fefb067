import {
  endOf,
  equalBytes,
  extendEdge,
  LOG_START,
  type LogHead,
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

/** An event in one of the histories that a disk has had: two of them are the same up to here, or are different ones. */
interface HistoryPlace {
  readonly event: RecordedEvent;
  /** Null: it is the first of all. */
  readonly before: HistoryPlace | null;
  /** Of the epoch up to here. */
  readonly treeEdge: TreeEdge;
}

/** What one site's disk has ever held, and what it holds. */
class Truth {
  /** By place: after a copy was restored, another event may stand where one stood before. */
  readonly ever = new Map<number, HistoryPlace[]>();
  /** By place, of what the disk holds. */
  readonly now = new Map<number, HistoryPlace>();
  last: HistoryPlace | null = null;
  /** As it was given to be appended, of every event that was ever acknowledged. */
  readonly given = new Map<EventId, Uint8Array>();
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
    this.now.clear();
    this.last = null;
    this.after = LOG_START;
    this.recordedAt = -1n;
  }
}

/** What was looked at of a replica, and what it has ever held. */
class SeenReplica {
  readonly places: HistoryPlace[] = [];
  readonly heldEver = new Set<HistoryPlace>();
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
  readonly #checkpoints: { readonly node: SimulatedNode; readonly head: LogHead }[] = [];
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

  /** The node has stored with a replica what its site has signed. */
  checkpointed(node: SimulatedNode, head: LogHead): void {
    this.#checkpoints.push({ node, head });
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
    let isNew = this.#acknowledged.length + this.#receipts.length + this.#checkpoints.length > 0;
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
    for (const { node, head } of this.#checkpoints.splice(0)) this.#checkCheckpoint(node, head);
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

  /** In the end: what proves each replica is signed by its site, whoever has brought it. */
  async checkProofs(): Promise<void> {
    for (const { node } of this.#watched) {
      for (const origin of await node.replicas.sites()) {
        const { head, note } = (await node.replicas.checkpoint(origin))!;
        openCheckpoint(note, { publicKey: keyOf(origin).publicKey, verify: verifyNote }, simulatedHash);
        this.#checkCheckpoint(node, head);
      }
    }
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
      const given = truth.given.get(event.id);
      if (given !== undefined && !equalBytes(given, event.data))
        fail(`${node.site} holds ${event.id} with other data than was acknowledged`);
      truth.last = placeInHistory(truth, truth.last, event) ?? newPlace(truth, event);
      truth.now.set(keyOfPlace(event), truth.last);
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
      const { byId, acknowledged, given } = this.#truthOf(site);
      const event = byId.get(id);
      acknowledged.add(id);
      given.set(id, data);
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
    const had = this.#placeOfHead(head);
    if (!equalBytes(said.root, head.root) || had === null)
      fail(`${site} has a receipt for a history up to ${nameOf(place)} that its disk never had`);
    if (!this.#replicaOf(holder, site).heldEver.has(had))
      fail(`${site} has a receipt for ${nameOf(place)}, which ${holder} never held`);
  }

  /** What is kept as the proof of a replica is of what is held, and not of another history of its site. */
  #checkCheckpoint({ site }: SimulatedNode, head: LogHead): void {
    const held = this.#placeOfHead(head);
    if (held === null || !this.#replicaOf(site, head.site).places.includes(held))
      fail(
        `${site} has a checkpoint of ${head.site} up to ${nameOf(endOf(head))} that is not of what it holds`,
      );
  }

  /** Null: the disk of its site never had that history. */
  #placeOfHead(head: LogHead): HistoryPlace | null {
    const places = this.#truthOf(head.site).ever.get(keyOfPlace(endOf(head))) ?? [];
    return (
      places.find(({ treeEdge }) => equalBytes(rootOf(treeEdge, head.size, simulatedHash), head.root)) ?? null
    );
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
      const own = watched.truth.now.get(keyOfPlace(place));
      if (own === undefined || !this.#replicaOf(holder.site, site).heldEver.has(own))
        fail(`${site} counts ${nameOf(place)} as held by ${holder.site}, which never held it`);
    }
  }

  #replicaOf(holder: SiteId, origin: SiteId): SeenReplica {
    return this.#bySite.get(holder)!.replicas.get(origin)!;
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
    for (const { places } of holder.replicas.values()) places.length = 0;
  }

  /** Replicas are byte for byte one history that their site's disk has held, from its beginning on, dense, and only grow. */
  #checkReplica(holder: Watched, origin: SiteId, truth: Truth): void {
    const { site } = holder.node;
    const events = holder.node.replicas.events(origin);
    const { places, heldEver } = holder.replicas.get(origin)!;
    if (events.length < places.length)
      fail(`${site} holds ${events.length} events of ${origin}, it held ${places.length}`);
    for (let index = places.length; index < events.length; index += 1) {
      const event = events[index]!;
      const before = events[index - 1];
      const expected = before?.epoch === event.epoch ? before.position + 1 : 1;
      if (event.position !== expected) fail(`${site} holds ${nameOf(event)} of ${origin} behind a gap`);
      const place = placeInHistory(truth, places.at(-1) ?? null, event);
      if (place === null) fail(`${site} holds ${nameOf(event)} of ${origin} as its disk never did`);
      places.push(place);
      heldEver.add(place);
    }
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

/** This event behind that place; null: the disk never had it there. */
function placeInHistory(
  { ever }: Truth,
  before: HistoryPlace | null,
  event: RecordedEvent,
): HistoryPlace | null {
  const places = ever.get(keyOfPlace(event)) ?? [];
  return places.find(place => place.before === before && isSame(place.event, event)) ?? null;
}

function newPlace({ ever, last }: Truth, event: RecordedEvent): HistoryPlace {
  const before = event.position === 1 ? [] : last!.treeEdge;
  const treeEdge = extendEdge(before, event.position - 1, [event.leafHash], simulatedHash);
  const place = { event, before: last, treeEdge };
  const key = keyOfPlace(event);
  const places = ever.get(key);
  if (places === undefined) ever.set(key, [place]);
  else places.push(place);
  return place;
}

function isSame(one: RecordedEvent, other: RecordedEvent): boolean {
  return equalBytes(one.header, other.header) && equalBytes(one.data, other.data);
}

function fail(message: string): never {
  throw new InvariantBrokenError(message);
}
