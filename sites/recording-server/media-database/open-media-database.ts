import { renameSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import type { Fragment, ImportOpening, MediaItem, SegmentManifest } from '@holdfast/core';
import type { DeviceId, EventId, RecordingServerId, SegmentId } from '@holdfast/schema';
import { RecordingCause } from '@holdfast/schema';
import { Ballast } from '../../ballast.js';
import { inTime } from '../in-time.js';
import { ClaimedFiles } from './claimed-files.js';
import { DeviceWriter, endOf, requireInit } from './device-writer.js';
import { DisownedSegments } from './disowned-segments.js';
import type { MediaKey } from './fragment-cipher.js';
import { GarbageCollector } from './garbage-collector.js';
import { isIndexFull } from './index-faults.js';
import type {
  HaltCause,
  LastTold,
  MediaDamage,
  MediaDatabase,
  MediaRecovery,
  MediaRepair,
  MediaSpan,
  MoveOutcome,
  OutgoingFact,
  RecordOutcome,
  SealReport,
  StoredSegment,
} from './media-database.js';
import type { MediaDatabaseOptions } from './media-database-options.js';
import { MediaDirectory, probeWrite } from './media-directory.js';
import { type MediaKeyring, type MediaKeys, MediaPasswordError } from './media-keyring.js';
import { MediaReader } from './media-reader.js';
import { indexedFrom, newFindings, type RecoveryContext, recoverFile, recoverMedia } from './recovery.js';
import { repairMedia } from './repair-media.js';
import { putReported, REPORT_SEGMENTS_MAX, sealReports } from './seal-reports.js';
import type { SegmentWriter } from './segment-file.js';
import { absentAsNull, SegmentImporter } from './segment-importer.js';
import { SegmentIndex, SegmentIndexUnusableError } from './segment-index.js';
import { SegmentMover } from './segment-mover.js';
import type { IndexedSegment } from './segment-row.js';
import { OWN_STAGE, StageDirectories } from './stage-directories.js';
import { takeStandIn } from './stand-in.js';

/** Reading what was stranded takes seconds, on a disk that answers. */
const recoverMsMax = 60_000;

/**
 * Opens the media database and puts in order what a crash left. Throws `MediaDatabaseInUseError` while another process
 * holds the directory, and `MediaDatabaseForeignError` when it belongs to another recording server.
 */
export async function openMediaDatabase(options: MediaDatabaseOptions): Promise<MediaDatabase> {
  const directory = new MediaDirectory(options.dir);
  await directory.create();
  const index = await openIndex(options, directory);
  const database = new OpenMediaDatabase(options, index);
  try {
    await database.recover();
    return database;
  } catch (error) {
    index.close();
    throw error;
  }
}

/** An index that cannot be used is put aside, never overwritten: the files say everything that it said. */
async function openIndex(options: MediaDatabaseOptions, directory: MediaDirectory): Promise<SegmentIndex> {
  const file = directory.indexFile;
  const { recordingServerId } = options;
  try {
    return new SegmentIndex({ file, recordingServerId });
  } catch (error) {
    if (isIndexFull(error) && new Ballast(directory.ballastFile).throwOff()) {
      return openIndex(options, directory);
    }
    if (!(error instanceof SegmentIndexUnusableError)) throw error;
    for (const suffix of ['', '-wal', '-shm']) {
      await rename(`${file}${suffix}`, `${file}.unusable-${options.now()}${suffix}`).catch(absentAsNull);
    }
    return new SegmentIndex({ file, recordingServerId });
  }
}

class OpenMediaDatabase implements MediaDatabase {
  readonly recordingServerId: RecordingServerId;
  readonly #options: MediaDatabaseOptions;
  readonly #stages: StageDirectories;
  readonly #index: SegmentIndex;
  #keyring: MediaKeyring | null;
  readonly #writers = new Map<DeviceId, DeviceWriter>();
  readonly #ballast: Ballast;
  readonly #importer: SegmentImporter;
  readonly #reader: MediaReader;
  /** Files that could not be written any more, and why. */
  readonly #stranded = new Map<string, 'SERVER_CRASHED' | 'DISK_UNAVAILABLE'>();
  #recovering: Promise<void> | null = null;
  #recovery: MediaRecovery | null = null;
  #usedStages: ReadonlySet<string> = new Set();
  /** Not in the index, which was made anew. */
  #isPartAway = false;
  /** Of segments that are whole as well: until the log is read. */
  #reducedCopies: Map<SegmentId, IndexedSegment> = new Map();
  readonly #mover: SegmentMover;
  readonly #garbage: GarbageCollector;
  readonly disowned: DisownedSegments;
  #halted: ReadonlyMap<string, HaltCause> = new Map();
  #closed = false;

  constructor(options: MediaDatabaseOptions, index: SegmentIndex) {
    this.recordingServerId = options.recordingServerId;
    this.#options = options;
    this.#keyring = options.keyring ?? null;
    this.#stages = new StageDirectories({
      ...{ root: options.dir, away: options.away, recordingServerId: options.recordingServerId },
      keys: { get: keyId => this.#keyring?.get(keyId) ?? null },
      objectStores: options.objectStores,
    });
    this.#index = index;
    this.#halted = this.#withAway(new Map());
    this.#ballast = new Ballast(this.#stages.own.ballastFile);
    const claimed = new ClaimedFiles();
    this.#mover = new SegmentMover({
      ...{ stages: this.#stages, index, claimed },
      transaction: work => this.#withRoom(work),
    });
    this.#garbage = new GarbageCollector({
      ...{ stages: this.#stages, index, claimed },
      transaction: work => this.#withRoom(work),
    });
    this.disowned = new DisownedSegments({ index, transaction: work => this.#withRoom(work) });
    this.#importer = new SegmentImporter({
      ...{ directory: this.#stages.own, keys: this.#stages.keys },
      encryption: () => this.#encryptionIn(OWN_STAGE),
      isHeld: segmentId => index.get(segmentId) !== null,
      isHalted: () => this.#halted.has(OWN_STAGE),
      seal: async writer => (await this.#seal(writer, 'RECORDING_CONTINUED')).segment.byteLength,
    });
    this.#reader = new MediaReader({
      stages: this.#stages,
      index,
      openSegment: deviceId => this.#writers.get(deviceId)?.openSegment() ?? null,
      isLocked: () => this.#keyring === null,
      damageFound: damage => options.observer.damageFound(damage),
    });
  }

  get keys(): MediaKeys {
    return this.#stages.keys;
  }

  encryptionOf(deviceId: DeviceId): MediaKey | null {
    return this.#encryptionIn(this.#liveStageOf(deviceId));
  }

  async unlock(keyring: MediaKeyring): Promise<void> {
    const stages = [OWN_STAGE, ...(this.#options.stages ?? [])];
    // A key that is nowhere must not be used, and one that a stage alone has is taken over first.
    await this.#stages.copyKeys(OWN_STAGE, keyring);
    this.#keyring = keyring;
    for (const stage of stages) await this.prepareStage(stage);
  }

  get recovery(): MediaRecovery {
    return this.#recovery!;
  }

  async recover(): Promise<void> {
    const { standIn } = this.#options;
    const transaction = <T>(work: () => T) => this.#withRoom(work);
    const standInTaken = await takeStandIn({ index: this.#index, standIn, transaction });
    const rebuildIndex = !this.#index.agreesWithLog();
    if (rebuildIndex) this.#usedStages = (await this.#options.usedStages?.()) ?? new Set();
    for (const stage of [OWN_STAGE, ...(this.#options.stages ?? [])]) await this.prepareStage(stage);
    const recovery = await recoverMedia(this.#recoveryContext(), { rebuildIndex });
    for (const file of recovery.postponed) this.#stranded.set(file, 'SERVER_CRASHED');
    this.#recovery = { ...recovery, standInTaken };
    const isMissed = (stage: string) => this.#options.stages?.includes(stage) && this.#usedStages.has(stage);
    this.#isPartAway = recovery.away.some(isMissed);
    this.#reducedCopies = recovery.reducedCopies;
    await this.collectGarbage();
  }

  beginRun(options: Parameters<MediaDatabase['beginRun']>[0]): void {
    const { deviceId, init, cause, previousEnd } = options;
    requireInit(init);
    this.#writer(deviceId).beginRun({ init, previousEnd: previousEnd ?? null }, cause);
  }

  append(deviceId: DeviceId, fragment: Fragment): RecordOutcome {
    const writer = this.#writers.get(deviceId);
    if (writer !== undefined) return writer.append(fragment);
    fragment.release?.();
    return { accepted: false, refusal: 'NO_RUN' };
  }

  async whenRoom(deviceId: DeviceId, byteLength: number): Promise<void> {
    await this.#writers.get(deviceId)?.whenRoom(byteLength);
  }

  async endRun(options: { readonly deviceId: DeviceId; readonly cause: RecordingCause }): Promise<void> {
    await this.#writers.get(options.deviceId)?.endRun(options.cause);
  }

  async halt(stages: ReadonlyMap<string, HaltCause>): Promise<void> {
    this.#halted = this.#withAway(stages);
    const halting = [...this.#writers].map(([deviceId, writer]) => {
      const cause = this.#halted.get(this.#liveStageOf(deviceId));
      return cause === undefined ? writer.unhalt() : writer.halt(cause);
    });
    await Promise.all(halting);
  }

  unhalt(): void {
    void this.halt(new Map());
  }

  /** Whatever else is halted. */
  #withAway(stages: ReadonlyMap<string, HaltCause>): ReadonlyMap<string, HaltCause> {
    return this.#options.away == null ? stages : new Map([...stages, [OWN_STAGE, 'DISK_UNAVAILABLE']]);
  }

  retryWrites(): void {
    for (const writer of this.#writers.values()) writer.retry();
  }

  waitingMs(): number {
    let waitingMs = 0;
    for (const writer of this.#writers.values()) waitingMs = Math.max(waitingMs, writer.waitingMs);
    return waitingMs;
  }

  async whyUnwritable(stage: string): Promise<string | null> {
    const why = await probeWrite(this.#liveFolderOf(stage));
    if (why !== null || stage === OWN_STAGE) return why;
    // Without the index nothing can be sealed anywhere.
    return probeWrite(this.#stages.own);
  }

  read(options: Parameters<MediaDatabase['read']>[0]): AsyncIterable<MediaItem> {
    return this.#reader.read(options);
  }

  readSegments(options: Parameters<MediaDatabase['readSegments']>[0]): AsyncIterable<MediaItem> {
    return this.#reader.readSegments(options);
  }

  importSegment(options: Parameters<MediaDatabase['importSegment']>[0]): Promise<ImportOpening> {
    return this.#importer.importSegment(options);
  }

  spans(options: Parameters<MediaDatabase['spans']>[0]): readonly MediaSpan[] {
    return this.#index.spans(options);
  }

  openSpan(deviceId: DeviceId): MediaSpan | null {
    const entries = this.#writers.get(deviceId)?.openSegment()?.entries ?? [];
    return entries.length === 0 ? null : { fromMs: entries[0]!.fromMs, toMs: endOf(entries) };
  }

  segments(options: Parameters<MediaDatabase['segments']>[0]): readonly StoredSegment[] {
    return this.#index.touching(options);
  }

  segment(segmentId: SegmentId): StoredSegment | null {
    return this.#index.get(segmentId);
  }

  newestEndMs(deviceId: DeviceId): number | null {
    return this.#index.newestEndMs(deviceId);
  }

  async manifest(segmentId: SegmentId): Promise<SegmentManifest | null> {
    const indexed = this.#index.get(segmentId);
    return indexed && (await this.#reader.manifest(indexed));
  }

  devices(): readonly DeviceId[] {
    return this.#index.devices();
  }

  usageBytes(stage?: string): number {
    let bytes = stage === undefined ? this.#index.fileBytes() : this.#index.fileBytesIn(stage);
    for (const [deviceId, writer] of this.#writers) {
      if (stage === undefined || stage === this.#liveStageOf(deviceId)) bytes += writer.openBytes;
    }
    return bytes;
  }

  heldBytes(options: Parameters<MediaDatabase['heldBytes']>[0]): number {
    const open = this.openSpan(options.deviceId);
    const isTouched = open !== null && open.fromMs < options.toMs && open.toMs > options.fromMs;
    const openBytes = isTouched ? this.#writers.get(options.deviceId)!.openBytes : 0;
    return this.#index.fileBytesTouching(options) + openBytes;
  }

  bytesIn({ stage, deviceId, spans }: Parameters<MediaDatabase['bytesIn']>[0]): number {
    return this.#index.fileBytesTouchingIn(stage, deviceId, spans);
  }

  newestIn({ stage, deviceId }: Parameters<MediaDatabase['newestIn']>[0]): StoredSegment | null {
    return this.#index.newestIn(stage, deviceId);
  }

  oldestIn(options: Parameters<MediaDatabase['oldestIn']>[0]): readonly StoredSegment[] {
    return this.#index.oldestIn(options);
  }

  stages(): readonly string[] {
    return this.#index.stages();
  }

  async prepareStage(stage: string): Promise<string | null> {
    const isKnown = this.#index.stages().includes(stage);
    const why = await this.#stages.prepare(stage, !isKnown && !this.#usedStages.has(stage));
    if (!isKnown && why === null) this.#withRoom(() => this.#index.putStage(stage));
    const keyring = this.#keyring;
    if (why !== null || keyring === null) return why;
    try {
      await this.#stages.copyKeys(stage, keyring);
      // It may have had one that only this stage had.
      if (stage !== OWN_STAGE) await this.#stages.copyKeys(OWN_STAGE, keyring);
      return null;
    } catch (error) {
      // Nothing may be encrypted with a key that is nowhere.
      if (stage === OWN_STAGE) throw error;
      return (error as Error).message;
    }
  }

  moveSegment(options: Parameters<MediaDatabase['moveSegment']>[0]): Promise<MoveOutcome> {
    return this.#mover.move(options);
  }

  reportSealed(compose: (report: SealReport) => readonly OutgoingFact[]): number {
    let count = 0;
    for (const deviceId of this.#index.devices()) {
      const unreported = this.#index.unreported(deviceId, REPORT_SEGMENTS_MAX);
      const reports = sealReports(unreported);
      const facts = reports.flatMap(report => compose(report));
      if (reports.length > 0) this.#withRoom(() => putReported(this.#index, reports, facts));
      count += unreported.length;
    }
    return count;
  }

  markReported(segmentIds: readonly SegmentId[], what: { readonly reduced: boolean }): void {
    this.#withRoom(() => {
      if (what.reduced) for (const segmentId of segmentIds) this.#takeReduced(segmentId);
      this.#index.markReported(segmentIds, what);
    });
  }

  /** The log knows of the reduction: the whole copy was about to go when the index was lost. */
  #takeReduced(segmentId: SegmentId): void {
    const [reduced, whole] = [this.#reducedCopies.get(segmentId), this.#index.get(segmentId)];
    if (reduced === undefined || whole === null) return;
    this.#index.setReduced(reduced);
    this.#index.putUnneeded(whole.stage, this.#sealedPath(whole));
    this.#reducedCopies.delete(segmentId);
  }

  lastTold(): LastTold | null {
    return this.#index.lastTold();
  }

  confirmIndex(): void {
    this.#withRoom(() => {
      // Of these reductions nobody was told: they never were.
      for (const reduced of this.#reducedCopies.values()) {
        this.#index.putUnneeded(reduced.stage, this.#sealedPath(reduced));
      }
      // What is in a stage that was away is found at a later start. Of what a stand-in does not know, the index knows that is back.
      this.#index.setAgreesWithLog(!this.#isPartAway || this.#options.away != null);
    });
    this.#reducedCopies.clear();
    if (this.#recovery?.standInTaken) rmSync(this.#options.standIn!, { recursive: true, force: true });
  }

  repair(options: Parameters<MediaDatabase['repair']>[0]): Promise<readonly MediaRepair[]> {
    return repairMedia({ ...this.#recoveryContext(), transaction: work => this.#withRoom(work) }, options);
  }

  putFact(fact: OutgoingFact): void {
    this.#withRoom(() => this.#index.putFact(fact));
  }

  factCount(): number {
    return this.#index.factCount();
  }

  facts(limit: number): readonly OutgoingFact[] {
    return this.#index.facts(limit);
  }

  removeFacts(eventIds: readonly EventId[], lastTold: LastTold | null): void {
    this.#withRoom(() => {
      this.#index.removeFacts(eventIds);
      if (lastTold !== null) this.#index.setLastTold(lastTold);
    });
  }

  async markDeleted(options: Parameters<MediaDatabase['markDeleted']>[0]): Promise<readonly StoredSegment[]> {
    const { segmentIds, policy, compose } = options;
    return this.#withRoom(() => {
      const marked = segmentIds.flatMap(segmentId => {
        const indexed = this.#index.get(segmentId);
        return indexed && this.#index.markDeleted(segmentId, policy) ? [indexed] : [];
      });
      const unreported = sealReports(marked.filter(({ reported }) => !reported));
      if (marked.length > 0) putReported(this.#index, unreported, compose(marked, unreported));
      return marked;
    });
  }

  async collectGarbage(): Promise<{ readonly segmentCount: number; readonly byteLength: number }> {
    await this.#importer.removeAbandoned(this.#options.now() - this.#options.limits.importAbandonedMs);
    await this.#recoverStranded();
    const collected = await this.#garbage.collect();
    this.#ballast.take();
    return collected;
  }

  garbageBytes(stage: string): number {
    return this.#index.garbageBytesIn(stage);
  }

  async *verify(options: { readonly signal: AbortSignal }): AsyncGenerator<MediaDamage> {
    for (const indexed of this.#index.all()) {
      options.signal.throwIfAborted();
      const damage = await this.#reader.check(indexed, options.signal);
      if (damage && this.#index.get(indexed.segment.segmentId)) yield damage;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#writers.values()].map(writer => writer.close('SERVER_STOPPED')));
    this.#index.close();
  }

  /** One transaction; on a full disk once more, in the room that is kept for it. */
  #withRoom<T>(work: () => T): T {
    try {
      return this.#index.transaction(work);
    } catch (error) {
      if (!isIndexFull(error) || !this.#ballast.throwOff()) throw error;
      return this.#index.transaction(work);
    }
  }

  #writer(deviceId: DeviceId): DeviceWriter {
    let writer = this.#writers.get(deviceId);
    if (!writer) {
      writer = new DeviceWriter(
        {
          directory: () => this.#liveFolderOf(this.#liveStageOf(deviceId)),
          encryption: () => this.encryptionOf(deviceId),
          limits: this.#options.limits,
          observer: this.#options.observer,
          newSegmentId: this.#options.newSegmentId,
          lastRecordingEnd: id => this.#index.lastRecordingEnd(id),
          seal: async (segment, endedBecause) => void (await this.#seal(segment, endedBecause)),
          strand: async segment => {
            this.#stranded.set(segment.path, 'DISK_UNAVAILABLE');
            await segment.close();
          },
        },
        deviceId,
      );
      this.#writers.set(deviceId, writer);
      const halted = this.#halted.get(this.#liveStageOf(deviceId));
      if (halted !== undefined) void writer.halt(halted);
    }
    return writer;
  }

  async #seal(writer: SegmentWriter, endedBecause: RecordingCause): Promise<IndexedSegment> {
    const { seal, fileByteLength } = await writer.seal(endedBecause);
    const stage = this.#stages.stageOf(writer.path);
    const indexed = indexedFrom(writer.head, seal, { fileByteLength, stage });
    const { deviceId, segment } = indexed;
    await this.#liveFolderOf(stage).makeDayFolder({ deviceId, fromMs: segment.fromMs });
    this.#index.insert(indexed);
    this.#index.noteKey(writer.head.encryption?.keyId ?? null, segment);
    // In the same turn as the row: nobody can look a segment up and not find its file. After a crash in between, the
    // file is found sealed in its old place and moved.
    renameSync(writer.path, this.#sealedPath(indexed));
    await writer.close();
    return indexed;
  }

  async missingKeys(): Promise<readonly string[]> {
    const missing = new Set<string>();
    for (const deviceId of this.#index.devices()) {
      // An index from before keys were noted in it knows none.
      const newest = this.#index.newest(deviceId);
      if (newest === null || (await this.#stages.whyUnavailable(newest.stage)) !== null) continue;
      const keyId = await this.#reader.closedBy(newest);
      if (keyId !== null) this.#withRoom(() => this.#index.noteKey(keyId, newest.segment));
    }
    for (const keyId of this.#index.keysInUse()) {
      if (this.#stages.keys.get(keyId) === null) missing.add(keyId);
    }
    return [...missing];
  }

  #sealedPath(segment: StoredSegment): string {
    return this.#stages.placeOf(segment);
  }

  /** Nothing but an archive is in an object store. */
  #liveFolderOf(stage: string): MediaDirectory {
    return this.#stages.folderOf(stage)!;
  }

  #liveStageOf(deviceId: DeviceId): string {
    return this.#options.liveStageOf?.(deviceId) ?? OWN_STAGE;
  }

  #encryptionIn(stage: string): MediaKey | null {
    if (!this.#options.isEncrypted?.(stage)) return null;
    if (this.#keyring !== null) return this.#keyring.current;
    // Whatever has gone wrong before: what is to be encrypted is never written in the clear instead.
    throw new MediaPasswordError(
      'MEDIA_PASSWORD_MISSING',
      'what is recorded there is encrypted, and its password is not here',
    );
  }

  #recoveryContext(): RecoveryContext {
    return {
      stages: this.#stages,
      stageNames: [...new Set([OWN_STAGE, ...(this.#options.stages ?? []), ...this.#index.stages()])],
      index: this.#index,
      signal: this.#options.signal,
      seal: (writer, endedBecause) => this.#seal(writer, endedBecause),
      settle: async (file, indexed) => {
        const { deviceId, segment, stage } = indexed;
        await this.#liveFolderOf(stage).makeDayFolder({ deviceId, fromMs: segment.fromMs });
        await rename(file, this.#sealedPath(indexed));
      },
    };
  }

  /** A disk that hangs is waited for once. */
  async #recoverStranded(): Promise<void> {
    if (this.#recovering !== null) return;
    const recovering = this.#recoverAllStranded().finally(() => {
      this.#recovering = null;
    });
    this.#recovering = recovering;
    await inTime(recovering, { ms: recoverMsMax, late: undefined });
  }

  async #recoverAllStranded(): Promise<void> {
    for (const [file, endedBecause] of this.#stranded) {
      const findings = newFindings();
      try {
        const stage = this.#stages.stageOf(file);
        await recoverFile(this.#recoveryContext(), { file, stage, endedBecause }, findings);
        this.#stranded.delete(file);
      } catch {
        // The disk still refuses it: the next round tries again, and so does the next start.
      }
    }
  }
}
