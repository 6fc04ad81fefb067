import {
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
  readonly ever = new Map<string, RecordedEvent[]>();
  /** Of the tree up to each place. */
  readonly rootsEver = new Map<string, Uint8Array[]>();
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

const nameOf = ({ epoch, position }: LogPlace): string => `${epoch}/${position}`;

/** Watches a world: what is new since the last look must be right, and what was right must still be there. */
export class Invariants {
  readonly #nodes: readonly SimulatedNode[];
  readonly #truths = new Map<SiteId, Truth>();
  readonly #acknowledged: AcknowledgedEvent[] = [];
  readonly #receipts: { readonly node: SimulatedNode; readonly receipt: SignedCheckpoint }[] = [];
  /** Events of each replica that were looked at, by holder and origin. */
  readonly #seen = new Map<string, number>();
  /** What each site counted as held above, when that was looked at last. */
  readonly #levels = new Map<SiteId, AcknowledgedLevels>();
  /** Places of each replica that were ever held, by holder and origin. */
  readonly #heldEver = new Map<string, Set<string>>();
  readonly #feedSeen = new Map<SiteId, number>();
  /** Of the database of each holder that was looked at. */
  readonly #generations = new Map<SiteId, number>();
  #eventCount = 0;
  #receiptCount = 0;

  constructor(nodes: readonly SimulatedNode[]) {
    this.#nodes = nodes;
    for (const { site } of nodes) this.#truths.set(site, new Truth());
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
    const { acknowledged } = this.#truths.get(node.site)!;
    for (const id of acknowledged) if (!kept.has(id)) acknowledged.delete(id);
  }

  /** A region is restored with its database: what it, and perhaps the site, had of answers to its wishes is known above alone. */
  excuseAnswers({ site }: SimulatedNode): void {
    this.#truths.get(site)!.mayAnswerAgain = true;
  }

  /** What the disk of a site holds, in order. */
  eventsOf(site: SiteId): readonly RecordedEvent[] {
    return [...this.#truths.get(site)!.byId.values()];
  }

  get eventCount(): number {
    return this.#eventCount;
  }

  get receiptCount(): number {
    return this.#receiptCount;
  }

  /** After every step. Throws `InvariantBrokenError`. */
  async check(): Promise<void> {
    for (const node of this.#nodes) {
      const { generation, writeCount } = this.#truths.get(node.site)!;
      if (generation === node.generation && writeCount === node.writeCount) continue;
      if (await this.#checkLog(node)) this.#checkAnswers(node);
    }
    this.#checkAcknowledged();
    for (const holder of this.#nodes) {
      this.#lookAgain(holder);
      const feedLength = holder.replicas.feed().length;
      if (feedLength === this.#feedSeen.get(holder.site)) continue;
      for (const { site } of this.#nodes) this.#checkReplica(holder, site);
      this.#checkFeed(holder);
    }
    for (const node of this.#nodes) this.#checkLevels(node);
    for (const { node, receipt } of this.#receipts.splice(0)) {
      this.#checkReceipt(node, receipt);
      this.#receiptCount += 1;
    }
  }

  /** What has not arrived yet; null when nothing is missing anywhere. */
  missing(): string | null {
    // Asked after every step, so that what costs little is looked at first.
    for (const node of this.#nodes) {
      if (!node.isContent) return `${node.site} has not appended everything that was wanted`;
      const { byId } = this.#truths.get(node.site)!;
      for (const { site, replicas } of holdersOf(node)) {
        const held = replicas.events(node.site).length;
        if (held !== byId.size) return `${site} holds ${held} of ${byId.size} events of ${node.site}`;
      }
    }
    for (const { site, parent } of this.#nodes) {
      const { byId, acknowledged } = this.#truths.get(site)!;
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
    const truth = this.#truths.get(parent.node.site)!;
    const answers = this.#streamOf(site, `answers-${parent.node.site}`);
    const answered = this.#answeredBy(site, parent.node.site);
    if (answered.size !== answers.length && !this.#truths.get(site)!.mayAnswerAgain)
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
    return this.#truths.get(site)!.streams.get(stream) ?? [];
  }

  /** False when nothing was appended since. */
  async #checkLog(node: SimulatedNode): Promise<boolean> {
    const truth = this.#truths.get(node.site)!;
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
      const ever = truth.ever.get(nameOf(event)) ?? [];
      if (!ever.some(known => isSame(known, event))) truth.ever.set(nameOf(event), [...ever, event]);
      const before = event.position === 1 ? [] : truth.treeEdge;
      truth.treeEdge = extendEdge(before, event.position - 1, [event.leafHash], simulatedHash);
      const root = rootOf(truth.treeEdge, event.position, simulatedHash);
      truth.rootsEver.set(nameOf(event), [...(truth.rootsEver.get(nameOf(event)) ?? []), root]);
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
      const { byId, acknowledged } = this.#truths.get(site)!;
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
    const place = nameOf({ epoch: head.epoch, position: head.size });
    const roots = this.#truths.get(site)!.rootsEver.get(place) ?? [];
    if (!equalBytes(said.root, head.root) || !roots.some(root => equalBytes(root, head.root)))
      fail(`${site} has a receipt for a history up to ${place} that its disk never had`);
    if (!this.#heldEver.get(`${holder} ${site}`)?.has(place))
      fail(`${site} has a receipt for ${place}, which ${holder} never held`);
  }

  /** What a site counts as held above, and may remove for that, was held there. An acknowledgement that was tampered with is a parent's lie. */
  #checkLevels(node: SimulatedNode): void {
    const { levels, site } = node;
    if (levels === this.#levels.get(site)) return;
    this.#levels.set(site, levels);
    const holders = holdersOf(node);
    if ([node, ...holders].some(({ parent }) => parent?.link.wasFaulty)) return;
    const claims = [
      [levels.parent, holders[0]],
      [levels.top, holders.at(-1)],
    ] as const;
    for (const [place, holder] of claims) {
      if (holder === undefined || place === null || place.position === 0) continue;
      if (!this.#heldEver.get(`${holder.site} ${site}`)?.has(nameOf(place)))
        fail(`${site} counts ${nameOf(place)} as held by ${holder.site}, which never held it`);
    }
  }

  /** A database that was restored, or of which an end was replaced, is read from the beginning. */
  #lookAgain({ site, replicasGeneration }: SimulatedNode): void {
    if (this.#generations.get(site) === replicasGeneration) return;
    this.#generations.set(site, replicasGeneration);
    this.#feedSeen.delete(site);
    for (const node of this.#nodes) this.#seen.delete(`${site} ${node.site}`);
  }

  /** Replicas are byte for byte what their site's disk has held, dense, and only grow. */
  #checkReplica(holder: SimulatedNode, origin: SiteId): void {
    const events = holder.replicas.events(origin);
    const key = `${holder.site} ${origin}`;
    const seen = this.#seen.get(key) ?? 0;
    if (events.length < seen)
      fail(`${holder.site} holds ${events.length} events of ${origin}, it held ${seen}`);
    const truth = this.#truths.get(origin)!;
    const heldEver = this.#heldEver.get(key) ?? new Set();
    this.#heldEver.set(key, heldEver);
    for (let index = seen; index < events.length; index += 1) {
      const event = events[index]!;
      const before = events[index - 1];
      const expected = before?.epoch === event.epoch ? before.position + 1 : 1;
      if (event.position !== expected)
        fail(`${holder.site} holds ${nameOf(event)} of ${origin} behind a gap`);
      if (!truth.ever.get(nameOf(event))?.some(original => isSame(original, event)))
        fail(`${holder.site} holds ${nameOf(event)} of ${origin} as its disk never did`);
      heldEver.add(nameOf(event));
    }
    this.#seen.set(key, events.length);
  }

  /** The feed holds what the replicas hold: each event once. */
  #checkFeed(holder: SimulatedNode): void {
    const feed = holder.replicas.feed();
    const held = this.#nodes.reduce((sum, { site }) => sum + holder.replicas.events(site).length, 0);
    if (feed.length !== held)
      fail(`the feed of ${holder.site} has ${feed.length} events, its replicas ${held}`);
    if (feed.length < (this.#feedSeen.get(holder.site) ?? 0)) fail(`the feed of ${holder.site} has shrunk`);
    this.#feedSeen.set(holder.site, feed.length);
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
