import { createHash } from 'node:crypto';
import { comparePlaces, hexOf, LOG_START, placeOf } from '@holdfast/core';
import { createMemoryReplicaIntake, type MemoryReplicaIntake } from '@holdfast/interconnect';
import { holdersOf, InvariantBrokenError, Invariants } from './invariants.js';
import { SeededRandom } from './seeded-random.js';
import { SimulatedLink } from './simulated-link.js';
import { SimulatedNode } from './simulated-node.js';
import { SimulatedTime, settled } from './simulated-time.js';

const START_MS = Date.UTC(2026, 0, 1);
/** How long things go wrong, and how long everything then has to be right again. */
const TROUBLE_MS = 6_000;
const CALM_MS_MAX = 120_000;
/** How long something stays broken; half of what breaks only for a quarter of it. */
const LASTING_MS_MAX = 2_500;
const HOUR_MS = 3_600_000;
/** What was on its way when a machine died has arrived then, or never will. */
const SETTLED_AFTER_MS = 4_000;
/** What goes wrong, or happens at a bad moment. */
const troubles = [
  'KILL',
  'KILL',
  'CUT',
  'FREEZE',
  'SET_CLOCK',
  'DIAL_AGAIN',
  'WISH',
  'FORGET_WISH',
  'RESTORE_COPY',
  'RESTORE_LOG',
  'RESTORE_MACHINES',
  'TRUNCATE',
  'FORGE',
] as const;

export interface ScheduleOutcome {
  readonly seed: number;
  readonly stepCount: number;
  readonly eventCount: number;
  readonly killCount: number;
  readonly cutCount: number;
  readonly restoreCount: number;
  readonly machinesRestoreCount: number;
  readonly truncationCount: number;
  readonly forgerCount: number;
  readonly receiptCount: number;
  readonly frameFaultCount: number;
  /** SHA-256 over the times and sizes of all steps: the same for the same seed. */
  readonly digest: string;
}

/** A run that broke an invariant, with what is needed to see it again. */
export class ScheduleFailedError extends Error {
  override readonly name = 'ScheduleFailedError';
  readonly code = 'SCHEDULE_FAILED';
  readonly seed: number;

  constructor(seed: number, atMs: number, cause: unknown) {
    const what = cause instanceof Error ? cause.message : String(cause);
    super(`seed ${seed}, after ${atMs} simulated ms: ${what}\nagain with HOLDFAST_SIMULATION_SEED=${seed}`, {
      cause,
    });
    this.seed = seed;
  }
}

/**
 * One history of sites below regions below a centre, drawn from a seed: appends, kills, cuts, frozen and half-open links, clocks that
 * are set, frames that are lost, doubled, swapped, replayed and tampered with, regions that forge what they relay. The invariants are
 * checked after every step; in the end everything works again, and then nothing may be missing anywhere. Throws `ScheduleFailedError`.
 */
export async function runSchedule(seed: number): Promise<ScheduleOutcome> {
  const world = new World(seed);
  try {
    return await world.run();
  } catch (error) {
    throw new ScheduleFailedError(seed, world.elapsedMs, error);
  } finally {
    world.end();
  }
}

class World {
  readonly #seed: number;
  readonly #time = new SimulatedTime(START_MS);
  readonly #random: SeededRandom;
  readonly #nodes: SimulatedNode[] = [];
  readonly #links: SimulatedLink[] = [];
  readonly #invariants: Invariants;
  /** Time and size of each. */
  readonly #steps: number[] = [];
  readonly #counts = {
    steps: 0,
    kills: 0,
    cuts: 0,
    restores: 0,
    machinesRestores: 0,
    truncations: 0,
    forgers: 0,
  };
  /** Whose machines are being put back: nobody starts them before. */
  readonly #dead = new Set<SimulatedNode>();
  #isCalm = false;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    const centre = this.#node(null);
    const regions = Array.from({ length: 1 + this.#random.below(2) }, () => this.#node(centre));
    for (const region of regions) {
      for (let count = 1 + this.#random.below(2); count > 0; count -= 1) this.#node(region);
    }
    this.#invariants = new Invariants(this.#nodes);
  }

  get elapsedMs(): number {
    return Math.round(this.#time.nowMs - START_MS);
  }

  async run(): Promise<ScheduleOutcome> {
    // Steps take no turns of the event loop: what else waits for one has it here.
    await new Promise(resolve => setImmediate(resolve));
    for (const node of this.#nodes) node.start();
    await settled();
    const { link } = this.#random.pick(this.#nodes.filter(node => node.parent !== null)).parent!;
    // One link has a peer that does not keep to the protocol.
    link.faultChance = this.#random.chance(0.5) ? this.#random.between(0.02, 0.2) : 0;
    this.#troubleAgain();
    await this.#until(() => this.elapsedMs >= TROUBLE_MS);
    this.#calm();
    await this.#until(() => this.#invariants.missing() === null);
    await this.#invariants.checkProofs();
    return {
      seed: this.#seed,
      stepCount: this.#counts.steps,
      eventCount: this.#invariants.eventCount,
      killCount: this.#counts.kills,
      cutCount: this.#counts.cuts,
      restoreCount: this.#counts.restores,
      machinesRestoreCount: this.#counts.machinesRestores,
      truncationCount: this.#counts.truncations,
      forgerCount: this.#counts.forgers,
      receiptCount: this.#invariants.receiptCount,
      frameFaultCount: this.#links.reduce((sum, each) => sum + each.faultCount, 0),
      digest: createHash('sha256').update(Float64Array.from(this.#steps)).digest('hex'),
    };
  }

  /** What still waits for something would keep all of this world in memory. */
  end(): void {
    for (const node of this.#nodes) node.kill();
  }

  #node(parent: SimulatedNode | null): SimulatedNode {
    const link = parent === null ? null : new SimulatedLink(this.#time, this.#random);
    if (link !== null) this.#links.push(link);
    const node = new SimulatedNode(
      {
        time: this.#time,
        random: this.#random,
        acknowledged: events => this.#invariants.acknowledge(events),
        receipted: (node, receipt) => this.#invariants.receipted(node, receipt),
        checkpointed: (node, head) => this.#invariants.checkpointed(node, head),
      },
      parent === null ? null : { node: parent, link: link! },
    );
    this.#nodes.push(node);
    return node;
  }

  async #until(isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      if (this.elapsedMs > TROUBLE_MS + CALM_MS_MAX) {
        throw new InvariantBrokenError(
          `all was well for ${CALM_MS_MAX} ms, but ${this.#invariants.missing()}`,
        );
      }
      await this.#time.step();
      const checking = this.#invariants.check();
      if (checking !== null) await checking;
      this.#counts.steps += 1;
      this.#steps.push(this.#time.nowMs, this.#invariants.eventCount);
    }
  }

  #troubleAgain(): void {
    this.#time.after(this.#random.between(50, 600), () => {
      if (this.#isCalm) return;
      this.#trouble();
      this.#troubleAgain();
    });
  }

  #trouble(): void {
    const node = this.#random.pick(this.#nodes);
    const link = this.#random.pick(this.#links);
    switch (this.#random.pick(troubles)) {
      case 'KILL':
        this.#kill(node);
        return;
      case 'CUT':
        this.#counts.cuts += 1;
        link.cut();
        this.#later(() => link.restore());
        return;
      case 'FREEZE':
        this.#counts.cuts += 1;
        link.freeze();
        this.#later(() => link.restore());
        return;
      case 'SET_CLOCK':
        node.clock.offsetMs = this.#random.pick([-HOUR_MS, 0, HOUR_MS]);
        return;
      case 'DIAL_AGAIN':
        node.dialAgain();
        return;
      case 'WISH':
        node.parent?.node.wish(node.site);
        return;
      case 'FORGET_WISH':
        this.#forgetWish(node);
        return;
      case 'RESTORE_COPY':
        this.#restoreCopy(node, this.#random.next());
        return;
      case 'RESTORE_LOG':
        this.#restoreCopy(node, this.#random.next(), this.#random.next());
        return;
      case 'RESTORE_MACHINES':
        this.#restoreMachines(node);
        return;
      case 'TRUNCATE':
        // An acknowledgement that was tampered with is a parent's lie: what it never held is gone then.
        if (node.parent?.link.faultChance === 0 && this.#isOneHistory(node) && node.truncate())
          this.#counts.truncations += 1;
        return;
      case 'FORGE':
        this.#forge(node);
    }
  }

  /** A region wishes something of a site and is then restored from a copy from before, while the centre hears nothing of it. */
  #forgetWish({ site, parent }: SimulatedNode): void {
    if (!parent?.node.parent) return;
    const region = parent.node;
    const uplink = region.parent!.link;
    this.#counts.cuts += 1;
    uplink.cut();
    const copied = this.#invariants.eventsOf(region.site).length;
    region.wish(site);
    this.#later(() => {
      this.#restoreCopy(region, copied / (this.#invariants.eventsOf(region.site).length + 1));
      region.wish(site);
      this.#later(() => uplink.restore());
    });
  }

  /** A region falls into wrong hands, until its software is put right. */
  #forge(node: SimulatedNode): void {
    const region = node.parent?.node.parent ? node.parent.node : node;
    if (region.parent === null || region.isForging) return;
    this.#counts.forgers += 1;
    region.isForging = true;
    this.#later(() => {
      region.isForging = false;
      this.#kill(region);
    });
  }

  #kill(node: SimulatedNode): void {
    if (!node.isRunning) return;
    this.#counts.kills += 1;
    node.kill();
    this.#later(() => this.#startAgain(node));
  }

  /**
   * Not of the centre: it has nobody who could give its history back. Wishes that a region has handed out may be lost for ever: it
   * does that out of its database, from which its log gets them back before its parent is asked (`own-log-repair`), so that this is
   * a restored database as well, at least in part. `heldPart`: what a newer database holds of what the copy has not.
   */
  #restoreCopy(node: SimulatedNode, part: number, heldPart = 0): void {
    if (node.parent === null) return;
    const events = this.#invariants.eventsOf(node.site);
    const count = Math.floor(part * (events.length + 1));
    const heldCount = count + Math.floor(heldPart * (events.length + 1 - count));
    const copied = node.wholeAppends(events.slice(0, count));
    const held = node.wholeAppends(events.slice(0, heldCount));
    this.#counts.restores += 1;
    this.#invariants.excuse(node, held);
    node.restoreCopy(copied, held);
  }

  /**
   * A site and its region are put back together, logs and database, to what they were a moment ago; or the region alone. Or the region to
   * what it was before it held anything.
   */
  #restoreMachines(site: SimulatedNode): void {
    const region = site.parent?.node;
    if (!region?.parent) return;
    const isBare = this.#random.chance(0.3);
    const replicas = isBare ? createMemoryReplicaIntake() : region.replicas.copy();
    const isAlone = this.#random.chance(0.3);
    const below = this.#nodes.filter(node => node.parent?.node === region);
    const [regionCount, siteCount] = [region, site].map(node => this.#invariants.eventsOf(node.site).length);
    const restore = () => {
      this.#dead.delete(region);
      if (region.isRunning) return;
      if (!this.#mayBeRestored(region, replicas)) return region.start();
      this.#counts.machinesRestores += 1;
      const copyOf = (node: SimulatedNode, count?: number) =>
        node.wholeAppends(this.#invariants.eventsOf(node.site).slice(0, count));
      const copied = copyOf(region, isBare ? 0 : regionCount);
      this.#invariants.excuse(region, copied);
      region.restoreMachine(copied, replicas);
      for (const node of below) {
        const own =
          node === site && !isAlone ? copyOf(site, siteCount) : this.#invariants.eventsOf(node.site);
        this.#invariants.excuse(node, own);
        this.#invariants.excuseAnswers(node);
        if (node === site && !isAlone) site.restoreCopy(own);
      }
    };
    this.#later(() => {
      region.kill();
      this.#dead.add(region);
      this.#time.after(SETTLED_AFTER_MS, restore);
    });
  }

  /**
   * What the centre has taken in beyond what a site has signed it cannot give back: nor can anybody what a site has removed from its log
   * because its region held it.
   */
  #mayBeRestored(region: SimulatedNode, copy: MemoryReplicaIntake): boolean {
    const centre = region.parent!.node.replicas;
    return this.#nodes
      .filter(node => node === region || node.parent?.node === region)
      .every(({ site, keptAfter }) => {
        const held = [centre, copy].map(({ events }) => placeOf(events(site).at(-1) ?? LOG_START));
        return centre.isSigned(site) && held.some(place => comparePlaces(place, keptAfter) >= 0);
      });
  }

  /** Whoever holds the log of a site holds what is on its disk, and its parent all that it has acknowledged: neither was restored. */
  #isOneHistory(node: SimulatedNode): boolean {
    const own = new Set(this.#invariants.eventsOf(node.site).map(({ leafHash }) => hexOf(leafHash)));
    const lasts = holdersOf(node).map(({ replicas }) => replicas.events(node.site).at(-1));
    return (
      comparePlaces(placeOf(lasts[0] ?? LOG_START), node.acknowledged ?? LOG_START) >= 0 &&
      lasts.every(last => last === undefined || own.has(hexOf(last.leafHash)))
    );
  }

  #later(task: () => void): void {
    this.#time.after(this.#random.next() ** 2 * LASTING_MS_MAX, task);
  }

  #startAgain(node: SimulatedNode): void {
    if (!node.isRunning && !this.#dead.has(node)) node.start();
  }

  #calm(): void {
    this.#isCalm = true;
    for (const link of this.#links) {
      link.faultChance = 0;
      link.restore();
    }
    for (const node of this.#nodes) {
      node.isAppending = false;
      node.endFailOver();
      this.#startAgain(node);
    }
  }
}
