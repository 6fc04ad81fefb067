import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  derivedId,
  isMoreUrgent,
  type LinkState,
  type LogPlace,
  type MediaSource,
  missedWhileDown,
  type OpenRetrieval,
  placeOf,
  planRetrievals,
  RETRIEVAL_SPAN_MS_MAX,
  type RetrievalBudget,
  type RetrievalCommand,
  type RetrievalRefusal,
  type SegmentIntake,
  type SiteLog,
  settlementOf,
  type TimeSpan,
  type Transfer,
} from '@holdfast/core';
import {
  type DeviceId,
  type EventId,
  type RecordingServerId,
  RetrievalId,
  type RetrievalTrigger,
  type SiteId,
} from '@holdfast/schema';
import type { Logger } from 'pino';
import type { AttachedRecordingServer } from '../media-channel/media-channel-service.js';
import { RetrievalEntry, type RetrievalProgress } from './retrieval-entry.js';
import type { DeviceRecordings, RetrievalFacts } from './retrieval-facts.js';
import { RetrievalProcess } from './retrieval-process.js';
import { TransferPacer } from './transfer-pacer.js';
import { runTransfer } from './transfer-run.js';

/** Facts and links change without a call; a look every so often finds what nobody reported. */
const REPLAN_MS = 5_000;
/** More open retrievals than anybody can wait for; each is looked at in every plan. */
export const OPEN_RETRIEVALS_MAX = 2_000;

/** For sites of which nothing else is configured. */
export const DEFAULT_RETRIEVAL_BUDGET: RetrievalBudget = {
  devicesMax: 4,
  window: null,
  bytesPerSecondMax: null,
};

export interface RetrievalServiceOptions {
  /** This site's own log. */
  readonly log: SiteLog;
  readonly facts: RetrievalFacts;
  /** Other sites' recording servers: `MediaChannelService.mediaSourceOf` and whether it is attached. */
  readonly sourceOf: (of: AttachedRecordingServer) => MediaSource;
  readonly attached: () => readonly AttachedRecordingServer[];
  /** This site's media database. */
  readonly intake: SegmentIntake;
  /** Of the link over which the site's facts come; `UP` once they are current. */
  readonly linkState: (siteId: SiteId) => { readonly state: LinkState; readonly sinceMs: number };
  readonly budgetOf: (siteId: SiteId) => RetrievalBudget;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** 0 inclusive to 1 exclusive. */
  readonly random: () => number;
  /** UUIDv7. */
  readonly newId: () => string;
  /** Who acts when nobody asked: `site:<id>`. */
  readonly actor: string;
  readonly logger: Logger;
}

export type RequestOutcome =
  | { readonly requested: true; readonly retrievalId: RetrievalId }
  | {
      readonly requested: false;
      readonly refusal: RetrievalRefusal | { readonly code: 'TOO_MANY_OPEN'; readonly openMax: number };
    };

export type CancelOutcome =
  | { readonly cancelled: true }
  | { readonly cancelled: false; readonly refusal: RetrievalRefusal };

interface Look {
  readonly entry: RetrievalEntry;
  readonly recordings: DeviceRecordings;
  readonly open: OpenRetrieval;
}

/** Keeps every retrieval of this site going until it ends. One per site; `run` it once. */
export class RetrievalService {
  readonly #options: RetrievalServiceOptions;
  readonly #entries = new Map<RetrievalId, RetrievalEntry>();
  readonly #pacers = new Map<SiteId, TransferPacer>();
  readonly #listeners = new Set<(progress: RetrievalProgress) => void>();
  #wake: () => void = () => undefined;
  #isAwake = true;

  constructor(options: RetrievalServiceOptions) {
    this.#options = options;
  }

  /**
   * Takes up what a stop or a kill left behind, then plans and transfers until the signal is aborted. What runs then is
   * interrupted, recorded so, and released before it resolves.
   */
  async run(signal: AbortSignal): Promise<void> {
    const after = await this.#restore();
    const watching = this.#watchLog(after, signal);
    const onAbort = () => this.#rouse();
    signal.addEventListener('abort', onAbort, { once: true });
    while (!signal.aborted) {
      this.#isAwake = false;
      await this.#replan().catch((error: unknown) => {
        this.#options.logger.error({ err: error }, 'retrieval could not be planned; trying again');
      });
      if (!signal.aborted) await this.#sleep();
    }
    signal.removeEventListener('abort', onAbort);
    await this.#stopAll();
    await watching;
  }

  /** The span may reach into what is not sealed yet: the retrieval then waits for it. */
  async request(options: {
    readonly siteId: SiteId;
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
    readonly trigger: RetrievalTrigger;
    readonly actor: string;
  }): Promise<RequestOutcome> {
    return this.#request({ ...options, retrievalId: RetrievalId.parse(this.#options.newId()) });
  }

  /** Resolves when nothing is transferred for it any more. What was fetched stays. */
  async cancel(retrievalId: RetrievalId, actor: string): Promise<CancelOutcome> {
    const entry = this.#entries.get(retrievalId);
    const process = entry?.process ?? (await RetrievalProcess.load(this.#processContext(), retrievalId));
    if (entry !== undefined) {
      entry.isCancelling = true;
      entry.running?.stop('CANCELLED');
      await entry.running?.ended;
    }
    try {
      const outcome = await process.execute([{ type: 'CancelRetrieval' }], actor);
      if (!outcome.accepted) return { cancelled: false, refusal: outcome.refusal };
      if (entry !== undefined) this.#changed(entry);
      return { cancelled: true };
    } finally {
      if (entry !== undefined) entry.isCancelling = false;
      this.#rouse();
    }
  }

  /**
   * The link to the site is back and its facts are known: requests, per device, what was missed in the outage. Call it
   * again for the last outages after a restart of this server: the same outage never makes a second retrieval.
   */
  async onLinkUp(siteId: SiteId, outage: TimeSpan): Promise<readonly RetrievalId[]> {
    const requested: RetrievalId[] = [];
    for (const deviceId of await this.#options.facts.devicesToHeal(siteId)) {
      const { timeline } = await this.#options.facts.recordings({ siteId, deviceId, ...outage });
      const { sealed, running } = timeline;
      // Its recording began later, or it does not record: there is nothing to wait for.
      if (sealed.length === 0 && (running === null || running.sinceMs >= outage.toMs)) continue;
      const missed = missedWhileDown(outage, timeline.held);
      if (missed.length === 0) continue;
      // What is held in between is not fetched again, so one retrieval serves all that is missed.
      const toMs = missed.at(-1)!.toMs;
      let part = 0;
      for (let fromMs = missed[0]!.fromMs; fromMs < toMs; fromMs += RETRIEVAL_SPAN_MS_MAX) {
        const span = { fromMs, toMs: Math.min(toMs, fromMs + RETRIEVAL_SPAN_MS_MAX) };
        const retrievalId = idOfOutage([siteId, deviceId, outage.fromMs, outage.toMs, part++]);
        const { actor } = this.#options;
        const trigger = 'LINK_RESTORE' as const;
        const outcome = await this.#request({ siteId, deviceId, ...span, trigger, actor, retrievalId });
        if (outcome.requested) requested.push(retrievalId);
      }
    }
    this.#rouse();
    return requested;
  }

  /** Something may have changed that a plan depends on: facts of a site arrived, a recording server was attached. */
  replanSoon(): void {
    this.#rouse();
  }

  /** Of a retrieval that has not ended. */
  progressOf(retrievalId: RetrievalId): RetrievalProgress | null {
    return this.#entries.get(retrievalId)?.progress() ?? null;
  }

  /** Called after every fragment: listeners thin it out as they need. Returns what ends the listening. */
  onProgress(listener: (progress: RetrievalProgress) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #request(options: {
    readonly retrievalId: RetrievalId;
    readonly siteId: SiteId;
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
    readonly trigger: RetrievalTrigger;
    readonly actor: string;
  }): Promise<RequestOutcome> {
    if (this.#entries.size >= OPEN_RETRIEVALS_MAX) {
      return { requested: false, refusal: { code: 'TOO_MANY_OPEN', openMax: OPEN_RETRIEVALS_MAX } };
    }
    const { actor, ...request } = options;
    const process = await RetrievalProcess.load(this.#processContext(), request.retrievalId);
    const command: RetrievalCommand = { type: 'RequestRetrieval', ...request, nowMs: this.#options.now() };
    const outcome = await process.execute([command], actor);
    if (!outcome.accepted) return { requested: false, refusal: outcome.refusal };
    this.#changed(this.#enter(process));
    this.#rouse();
    return { requested: true, retrievalId: request.retrievalId };
  }

  async #restore(): Promise<LogPlace> {
    const { retrievalIds, asOf } = await this.#options.facts.openRetrievals();
    for (const retrievalId of retrievalIds) await this.#adopt(retrievalId);
    return asOf;
  }

  /** Requests that the read model did not know yet, or that another part of this server appended. */
  async #watchLog(after: LogPlace, signal: AbortSignal): Promise<void> {
    let place = after;
    while (!signal.aborted) {
      try {
        for await (const batch of this.#options.log.subscribe({ after: place, signal })) {
          for (const event of batch) {
            if (event.type === 'RetrievalRequested') {
              await this.#adopt(RetrievalId.parse(event.stream.slice('retrieval-'.length)));
              this.#rouse();
            }
            place = placeOf(event);
          }
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#options.logger.error(
          { err: error, ...place },
          'retrieval lost sight of the log; looking again',
        );
      }
      await delay(REPLAN_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #adopt(retrievalId: RetrievalId): Promise<void> {
    if (this.#entries.has(retrievalId)) return;
    const process = await RetrievalProcess.load(this.#processContext(), retrievalId);
    if (process.state.status === 'NONE' || this.#entries.has(retrievalId)) return;
    if (process.aside !== null) {
      this.#options.logger.error(process.aside, 'a retrieval cannot be read by this software and waits');
      return;
    }
    const entry = new RetrievalEntry(process);
    if (entry.hasEnded) return;
    this.#entries.set(retrievalId, entry);
    // It was in progress when this server was killed; whether it goes on is for the plan to say.
    if (entry.state.status === 'IN_PROGRESS') {
      await process.execute([{ type: 'InterruptRetrieval', cause: 'STOPPED' }], this.#options.actor);
    }
  }

  #enter(process: RetrievalProcess): RetrievalEntry {
    const known = this.#entries.get(process.retrievalId);
    if (known !== undefined) return known;
    const entry = new RetrievalEntry(process);
    this.#entries.set(process.retrievalId, entry);
    return entry;
  }

  async #replan(): Promise<void> {
    const { now, linkState, attached, budgetOf } = this.#options;
    const looks: Look[] = [];
    for (const entry of [...this.#entries.values()]) {
      if (entry.isCancelling || entry.hasEnded) continue;
      // Without the link nothing can be fetched and nothing new be known.
      if (entry.running === null && linkState(entry.request.siteId).state !== 'UP') continue;
      looks.push(await this.#look(entry));
    }
    const siteIds = [...new Set(looks.map(look => look.open.siteId))];
    const sites = siteIds.map(siteId => ({
      siteId,
      linkState: linkState(siteId).state,
      attached: new Set<RecordingServerId>(
        attached().flatMap(server => (server.siteId === siteId ? [server.recordingServerId] : [])),
      ),
      budget: budgetOf(siteId),
    }));
    const plan = planRetrievals({ retrievals: looks.map(look => look.open), sites, nowMs: now() });
    for (const transfer of plan) {
      const look = looks.find(one => one.open.retrievalId === transfer.retrievalId)!;
      if (look.entry.running === null && this.#makeRoom(transfer)) await this.#start(look, transfer);
    }
    for (const look of looks) await this.#settle(look);
  }

  async #look(entry: RetrievalEntry): Promise<Look> {
    const { siteId, deviceId, fromMs, toMs } = entry.request;
    const recordings = await this.#options.facts.recordings({ siteId, deviceId, fromMs, toMs });
    return {
      entry,
      recordings,
      open: entry.plannable(entry.merge(recordings), recordings.segments, this.#options.now()),
    };
  }

  /** Whether the transfer may begin now. Something less urgent is asked to make room for it, and this one has to wait for that. */
  #makeRoom(transfer: Transfer): boolean {
    const running = [...this.#entries.values()].flatMap(entry => entry.running ?? []);
    if (running.some(one => one.transfer.deviceId === transfer.deviceId)) return false;
    const ofSite = running.filter(one => one.transfer.siteId === transfer.siteId);
    if (ofSite.length < this.#options.budgetOf(transfer.siteId).devicesMax) return true;
    if (ofSite.some(one => one.stopped() !== null)) return false;
    const [least] = ofSite.toSorted((left, right) =>
      isMoreUrgent(left.transfer.trigger, right.transfer.trigger) ? 1 : -1,
    );
    if (least !== undefined && isMoreUrgent(transfer.trigger, least.transfer.trigger))
      least.stop('PREEMPTED');
    return false;
  }

  async #start({ entry, recordings }: Look, transfer: Transfer): Promise<void> {
    const { segmentCount, byteLength: totalBytes } = entry.wanted;
    const { status } = entry.state;
    const commands: readonly RetrievalCommand[] =
      status === 'PENDING'
        ? [{ type: 'StartRetrieval', segmentCount, totalBytes }]
        : status === 'INTERRUPTED'
          ? [{ type: 'ResumeRetrieval' }]
          : [];
    if (commands.length > 0) {
      const outcome = await entry.process.execute(commands, this.#options.actor);
      if (!outcome.accepted) return;
    }
    // Somebody may have cancelled it while that was written.
    if (entry.isCancelling || entry.hasEnded) return;
    const { siteId, recordingServerId } = transfer;
    entry.running = runTransfer({
      entry,
      transfer,
      segments: new Map(recordings.segments.map(segment => [segment.segmentId, segment])),
      source: this.#options.sourceOf({ siteId, recordingServerId }),
      intake: this.#options.intake,
      now: this.#options.now,
      random: this.#options.random,
      actor: this.#options.actor,
      logger: this.#options.logger,
      pace: (byteCount, signal) =>
        this.#pacerOf(siteId).taken(byteCount, this.#options.budgetOf(siteId).bytesPerSecondMax, signal),
      onProgress: () => this.#changed(entry),
      onEnded: () => {
        entry.running = null;
        this.#changed(entry);
        this.#rouse();
      },
    });
    this.#changed(entry);
  }

  /** Ends it when nothing is left to fetch and everything about its span is known. */
  async #settle({ entry, recordings }: Look): Promise<void> {
    if (entry.running !== null || entry.wanted.segmentCount > 0) return;
    if (entry.isCancelling || entry.hasEnded) return;
    const facts = entry.merge(recordings);
    const { siteId } = entry.request;
    const link = facts.link === null ? null : this.#options.linkState(siteId);
    const settlement = settlementOf({ ...facts, link }, entry.request, this.#options.now());
    if (!settlement.settled) return;
    const { missing } = settlement;
    const { status, retrievedSegmentIds } = entry.state;
    const allDeleted = missing.length > 0 && missing.every(span => span.cause === 'DELETED');
    const commands: RetrievalCommand[] = [];
    if (allDeleted && retrievedSegmentIds.size === 0 && facts.held.length === 0) {
      const detail = 'all of it was deleted at the source before any of it was fetched';
      commands.push({ type: 'FailRetrieval', cause: 'RETENTION_ENDED', detail });
    } else {
      if (status === 'PENDING') commands.push({ type: 'StartRetrieval', segmentCount: 0, totalBytes: 0 });
      if (status === 'INTERRUPTED') commands.push({ type: 'ResumeRetrieval' });
      commands.push({ type: 'CompleteRetrieval', transferredBytes: entry.transferredBytes, missing });
    }
    await entry.process.execute(commands, this.#options.actor);
    this.#changed(entry);
  }

  #changed(entry: RetrievalEntry): void {
    if (entry.hasEnded) this.#entries.delete(entry.process.retrievalId);
    const progress = entry.progress();
    for (const listener of this.#listeners) listener(progress);
  }

  #pacerOf(siteId: SiteId): TransferPacer {
    const known = this.#pacers.get(siteId);
    if (known !== undefined) return known;
    const pacer = new TransferPacer(this.#options.now);
    this.#pacers.set(siteId, pacer);
    return pacer;
  }

  async #stopAll(): Promise<void> {
    const running = [...this.#entries.values()].flatMap(entry => entry.running ?? []);
    for (const one of running) one.stop('STOPPED');
    await Promise.all(running.map(one => one.ended));
  }

  #rouse(): void {
    this.#isAwake = true;
    this.#wake();
  }

  async #sleep(): Promise<void> {
    if (this.#isAwake) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>(resolve => {
      this.#wake = resolve;
      if (this.#entries.size > 0) timer = setTimeout(resolve, REPLAN_MS);
    });
    clearTimeout(timer);
    this.#wake = () => undefined;
  }

  #processContext() {
    const { log, now, newId } = this.#options;
    return { log, now, newEventId: () => newId() as EventId };
  }
}

/** Made from what it stands for, so that asking twice makes one retrieval. */
function idOfOutage(parts: readonly (string | number)[]): RetrievalId {
  return derivedId(parts.join('/'), bytes => createHash('sha256').update(bytes!).digest());
}
