import { setTimeout as delay } from 'node:timers/promises';
import {
  type CameraControl,
  type CameraControlOptions,
  FoldKeeper,
  type HeatMapQuery,
  type MediaItem,
  type MediaPriority,
  MediaRefusedError,
  type MediaRequest,
  type MediaSource,
  type NamedFold,
  type Protection,
  type RecordedEvent,
  type Speech,
  type TriggerChange,
} from '@holdfast/core';
import {
  type CameraAnswer,
  type CameraRequest,
  type DeletionPolicy,
  type DeviceId,
  type EventId,
  type HoldfastEvent,
  type RecordingPolicy,
  type RecordingServerId,
  type SegmentId,
} from '@holdfast/schema';
import type { LiveViewers } from './camera/live-viewers.js';
import { CameraControls } from './control/camera-controls.js';
import { RecorderHealth } from './health/recorder-health.js';
import {
  type MediaDamage,
  type MediaDatabase,
  type OutgoingFact,
  type SealReport,
  type StoredSegment,
} from './media-database/media-database.js';
import type { MediaPasswordError } from './media-database/media-keyring.js';
import { openMediaDatabase } from './media-database/open-media-database.js';
import { OWN_STAGE } from './media-database/stage-directories.js';
import { RecordedMotion } from './motion/recorded-motion.js';
import { PreBufferFolder } from './pre-buffer/pre-buffer-folder.js';
import { CameraSupervisor } from './recorder/camera-supervisor.js';
import { FactOutbox } from './recorder/fact-outbox.js';
import { logRecovery } from './recorder/log-recovery.js';
import { LoudReports } from './recorder/loud-reports.js';
import { SiteView, type SiteViewFold, siteViewFold } from './recorder/site-view.js';
import { triggerOfEvent } from './recorder/trigger-events.js';
import type { RecordingServerOptions } from './recording-server-options.js';
import { deletionEvents } from './retention/deletion-facts.js';
import { LockReports } from './retention/lock-reports.js';
import { LostLog } from './retention/lost-log.js';
import { MediaLock } from './retention/media-lock.js';
import { neededSince } from './retention/needed-since.js';
import { restoreIndex } from './retention/restore-index.js';
import { freeBytesOf } from './retention/retention-executor.js';
import { RetentionLoop } from './retention/retention-loop.js';
import { sealEvents } from './retention/seal-facts.js';
import { isEncryptedIn, liveStageIn, stagesOf, storagesOf } from './retention/server-storages.js';
import { StorageKeeper } from './retention/storage-keeper.js';
import { type MeasuredStage, StorageMeasures } from './retention/storage-measures.js';
import { usedStages } from './retention/used-stages.js';
import { ffmpegCandidates } from './snapshot/ffmpeg.js';
import { type Snapshot, SnapshotMaker } from './snapshot/snapshot-maker.js';

/** A subscription that fails is begun again after this, with jitter: the log is in this process. */
const subscribePauseMs = 1_000;
/** At the end the facts are durable here already; the log has this long to take them before the next start. */
const farewellMs = 5_000;

interface OpenedParts {
  readonly database: MediaDatabase;
  readonly preBuffers: PreBufferFolder;
  readonly loud: LoudReports;
  readonly view: SiteView;
  readonly lock: MediaLock;
}

/**
 * Records the cameras that the site's log assigns to it, keeps and deletes their recordings, tells the log what is there,
 * and gives media to whoever may have it. Microphones share the recording of the camera on the same hardware.
 */
export class RecordingServer implements MediaSource, CameraControl, AsyncDisposable {
  readonly recordingServerId: RecordingServerId;
  readonly database: MediaDatabase;
  readonly #options: RecordingServerOptions;
  readonly #preBuffers: PreBufferFolder;
  readonly #loud: LoudReports;
  readonly #view: SiteView;
  readonly #fold: NamedFold;
  readonly #keeper: FoldKeeper;
  readonly #outbox: FactOutbox;
  readonly #supervisor: CameraSupervisor;
  readonly #controls: CameraControls;
  readonly #motion: RecordedMotion;
  readonly #snapshots: SnapshotMaker;
  readonly #storages: StorageKeeper;
  readonly #retention: RetentionLoop;
  readonly #health: RecorderHealth;
  readonly #lockReports: LockReports;
  readonly #lostLog: LostLog;
  readonly #storageMeasures: StorageMeasures;

  private constructor(options: RecordingServerOptions, parts: OpenedParts) {
    const { recordingServerId, dir, away = null, logger } = options;
    const { database, preBuffers, loud, view, lock } = parts;
    this.recordingServerId = recordingServerId;
    this.#options = options;
    this.database = database;
    this.#preBuffers = preBuffers;
    this.#loud = loud;
    this.#view = view;
    this.#fold = siteViewFold(recordingServerId, view);
    this.#keeper = new FoldKeeper({ log: options.log, store: options.folds, name: this.#fold.name });
    this.#outbox = new FactOutbox({
      ...options,
      database,
      newId: () => options.newId() as EventId,
      actor: `server:${recordingServerId}`,
    });
    const trigger = this.trigger.bind(this);
    const report = (stream: string, event: HoldfastEvent) => this.#report(stream, event);
    this.#motion = new RecordedMotion({ ...options, database, trigger });
    this.#supervisor = new CameraSupervisor({
      ...options,
      motion: this.#motion.detector,
      ...{ database, preBuffers, view, report },
      noticed: (deviceId, change) => this.#health.noticed(deviceId, change),
    });
    this.#controls = new CameraControls({
      ...{ ...options, report },
      hardwareWith: deviceId => view.hardwareHere(deviceId),
      capabilitiesOf: hardwareId => view.capabilities.get(hardwareId) ?? null,
    });
    const freeBytes = (dir: string) => preBuffers.freeBytes(dir);
    this.#storages = new StorageKeeper({
      ...{ database, dir, away, logger, storages: storagesOf(options) },
      protection: nowMs => this.#protection(nowMs),
      composeDeletion: (...deleted) => this.#deletionFacts(...deleted),
      freeBytes,
      whyLocked: () => this.#whyLocked(lock),
      alarm: alarm => this.#retention.alarm(alarm),
      moved: () => {
        this.#composeSealed();
        this.#sendSoon();
      },
    });
    this.#lockReports = new LockReports({ ...options, database, view, report });
    const storages = this.#storages;
    const protection = () => view.protection(options.now(), []);
    this.#storageMeasures = new StorageMeasures({
      ...{ ...options, database, storages, freeBytes, protection, report },
    });
    this.#retention = new RetentionLoop({
      ...options,
      database,
      view,
      tellOfLocks: () => away === null && this.#lockReports.tell(),
      tellOfRoom: () => this.#storageMeasures.tell(),
      storages,
      composeSealed: () => this.#composeSealed(),
      sendSoon: () => this.#sendSoon(),
      report,
    });
    this.#lostLog = new LostLog({
      ...{ recordingServerId, database, log: options.log, logger },
      isHistoryAwaited: options.isHistoryAwaited ?? (() => false),
      compose: report => this.#sealFacts(report),
      isFull: () => this.#outbox.isFull,
      alarm: alarm => this.#retention.alarm(alarm),
    });
    this.#snapshots = new SnapshotMaker({
      read: window => database.read(window),
      ffmpeg: ffmpegCandidates(options.ffmpegBin),
    });
    this.#health = new RecorderHealth({
      ...{ recordingServerId, now: options.now, report, waitingMs: () => database.waitingMs() },
      diskIsSlow: () => loud.disk.isSlow,
      cameras: () => this.#supervisor.watched(),
      viewers: this.#supervisor.viewers,
      alarm: alarm => this.#retention.alarm(alarm),
    });
    this.#connect(loud);
  }

  #connect(loud: LoudReports): void {
    loud.connect({
      damaged: damage => this.#reportDamage(damage),
      writeFailed: code => {
        this.#health.writeFailed();
        if (!this.#preBuffers.makesRoom(code)) this.#retention.onWriteFailed(code);
      },
      diskSlow: medianMs => this.#health.diskSlow(medianMs),
      diskFast: medianMs => this.#health.diskFast(medianMs),
      dropped: drop => this.#health.dropped(drop),
    });
  }

  /** Opens the media database, repairs what a crash left, and reads the whole log. */
  static async open(options: RecordingServerOptions): Promise<RecordingServer> {
    const { dir, recordingServerId, now, newId, logger } = options;
    const loud = new LoudReports({ logger, now });
    const view = new SiteView(recordingServerId);
    const storages = storagesOf(options);
    const readPassword = options.mediaPassword ?? (() => null);
    const lock = new MediaLock({ dir, storages, objectStores: options.objectStores, readPassword });
    const database = await openMediaDatabase({
      ...{ dir, away: options.away, standIn: options.standIn, signal: options.openSignal },
      ...{ recordingServerId, now, newSegmentId: () => newId() as SegmentId },
      limits: options.mediaLimits,
      observer: loud,
      ...{ liveStageOf: deviceId => liveStageIn(storages, view, deviceId), stages: stagesOf(storages) },
      usedStages: async () => (await usedStages(options.log, recordingServerId)) ?? new Set(),
      keyring: await lock.open(),
      objectStores: options.objectStores,
      isEncrypted: stage => isEncryptedIn(storages, stage),
    });
    const preBuffers = await PreBufferFolder.open({
      ...{ dir, logger, monotonicMs: options.monotonicMs, freeBytes: options.freeBytes ?? freeBytesOf },
      freeBytesMin: Math.max(...storages.map(({ live }) => live.limits.freeBytesLow)),
    });
    try {
      logRecovery(logger, database.recovery);
      const server = new RecordingServer(options, { database, preBuffers, loud, view, lock });
      await server.#catchUp();
      if (lock.closed === null) await server.#reportMissingKeys();
      return server;
    } catch (error) {
      await preBuffers[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Records until the signal is aborted. Resolves when everything is sealed and the log has been told. */
  async run(signal: AbortSignal): Promise<void> {
    const { recordingServerId, now, softwareVersion } = this.#options;
    this.#report(`recording-server-${recordingServerId}`, {
      type: 'RecordingServerStarted',
      data: { recordingServerId, atMs: now(), softwareVersion },
    });
    await this.#retention.apply();
    this.#supervisor.reconcile('SERVER_STARTED');
    this.#health.start();
    await Promise.all([this.#follow(signal), this.#reportSealed(signal), this.#retention.run(signal)]);
    await this.#supervisor.stop();
    this.#health.stop();
    this.#composeSealed();
    await this.#outbox.drain(AbortSignal.timeout(farewellMs));
    await this.#keeper.save(this.#view.toFold());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#retention.end();
    this.#health.stop();
    await this.#supervisor.stop();
    await this.#motion[Symbol.asyncDispose]();
    await this.#storages.settled();
    await this.#preBuffers[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
  }

  async *open(
    request: MediaRequest,
    options: { readonly signal: AbortSignal; readonly priority: MediaPriority },
  ): AsyncGenerator<MediaItem> {
    const { signal } = options;
    const deviceId = this.#recordingDevice(request.deviceId);
    switch (request.kind) {
      case 'LIVE':
        yield* this.#supervisor.live(deviceId, request.stream, signal);
        return;
      case 'PLAYBACK':
        yield* this.database.read({ ...request, deviceId, signal });
        return;
      case 'RETRIEVE': {
        const { segmentIds, resumeAtFragment } = request;
        yield* this.database.readSegments({ deviceId, segmentIds, resumeAtFragment, signal });
      }
    }
  }

  /** A JPEG of the picture at this time, or why there is none. */
  snapshot(request: {
    readonly deviceId: DeviceId;
    readonly atMs: number;
    readonly signal: AbortSignal;
  }): Promise<Snapshot> {
    return this.#snapshots.make({ ...request, deviceId: this.#recordingDevice(request.deviceId) });
  }

  control(deviceId: DeviceId, request: CameraRequest, options: CameraControlOptions): Promise<CameraAnswer> {
    return this.#controls.control(deviceId, request, options);
  }

  speak(deviceId: DeviceId, options: CameraControlOptions): Promise<Speech> {
    return this.#controls.speak(deviceId, options);
  }

  /** Something in this process wants a device recorded, or does so no longer. */
  trigger(deviceId: DeviceId, change: TriggerChange): void {
    this.#supervisor.trigger(deviceId, change);
  }

  /** When something moved in a region of the picture, of what is recorded here. Nothing is decoded. */
  searchMotion(deviceId: DeviceId, query: HeatMapQuery): readonly number[] {
    return this.#motion.search(this.#view.ownerOf(deviceId) ?? deviceId, query);
  }

  /** What the server goes by at this moment; null: it does not have the device. */
  policyOf(deviceId: DeviceId): RecordingPolicy | null {
    return this.#supervisor.policyOf(deviceId);
  }

  /** All who watch its cameras live: counted there, and shed when the server is overloaded. */
  get liveViewers(): LiveViewers {
    return this.#supervisor.viewers;
  }

  get isHalted(): boolean {
    return this.#view.halted;
  }

  /** Why it is not known what is locked of what was recorded before the log was lost; null: it is. */
  get awaited(): string | null {
    return this.#lostLog.awaited;
  }

  /** Since when recordings are kept or locked here; 0 when locks, or others' pins, cannot be known. */
  neededSinceMs(): number {
    return neededSince(this.database, this.#protection(this.#options.now()));
  }

  /** Where pins cannot be known there may be any: a disk that fills up meanwhile must halt in order. */
  #protection(nowMs: number): Protection {
    try {
      return this.#lostLog.protect(this.#view.protection(nowMs, this.#options.pins()));
    } catch (error) {
      return { readable: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  /** What is in each stage, as it was told last: for metrics. */
  measuredStages(): readonly MeasuredStage[] {
    return this.#storageMeasures.last;
  }

  /** For metrics. Counts are since the start. */
  status(): {
    readonly usageBytes: number;
    readonly halted: boolean;
    readonly cameraCount: number;
    readonly lostCameraCount: number;
    readonly lostAccessUnitCount: number;
    readonly droppedFragmentCount: number;
    readonly writeFailureCount: number;
    readonly overflowCount: number;
    readonly overloaded: boolean;
    readonly diskSlow: boolean;
    readonly writeMs: number;
    readonly waitingMs: number;
    readonly eventLoopMs: number;
  } {
    const { droppedFragmentCount, writeFailureCount, disk } = this.#loud;
    const { isOverloaded: overloaded, overflowCount, eventLoopMs } = this.#health;
    return {
      usageBytes: this.database.usageBytes(),
      halted: this.isHalted,
      ...this.#supervisor.counts(),
      ...{ droppedFragmentCount, writeFailureCount, overflowCount, overloaded, eventLoopMs },
      ...{ diskSlow: disk.isSlow, writeMs: disk.medianMs, waitingMs: this.database.waitingMs() },
    };
  }

  #recordingDevice(deviceId: DeviceId): DeviceId {
    const owner = this.#view.ownerOf(deviceId);
    if (owner !== null) return owner;
    if (this.database.devices().includes(deviceId)) return deviceId;
    throw new MediaRefusedError('NO_SUCH_DEVICE', `this recording server knows no device ${deviceId}`);
  }

  /** Facts kept from before come into the log first: then the log says all that was said. One that is away gets them later. */
  async #catchUp(): Promise<void> {
    const isAway = this.#options.log.away?.() != null;
    await this.#lostLog.judge();
    if (!isAway) await this.#outbox.send();
    const { indexRebuilt, standInTaken } = this.database.recovery;
    if (indexRebuilt || standInTaken) {
      await restoreIndex(this.database, this.#options.log);
      this.database.confirmIndex();
    }
    const fold = await this.#keeper.restore<SiteViewFold>();
    if (fold !== null) this.#view.restore(fold);
    await this.#keeper.readOn(this.#fold);
    if (isAway) for (const event of this.#outbox.unsent()) this.#view.apply(event);
    for (const deviceId of [...this.#view.running])
      if (this.#isIndexed(deviceId)) this.#reportCrash(deviceId);
    this.#storages.assumeHalted(this.#view.haltedStorages);
    if (!this.#view.halted) return;
    await this.database.halt(this.#storages.halts());
    // The log has the fact. Whether it has the alarm, or that was lost with a killed process, nobody knows any more.
    this.#retention.alarm({
      name: 'Recording halted',
      message: 'It was halted when the recording server was started.',
    });
  }

  /** Tries the password again, which may have been put right. */
  async #whyLocked(lock: MediaLock): Promise<MediaPasswordError | null> {
    if (lock.closed === null) return null;
    const keyring = await lock
      .open(opened => this.database.unlock(opened))
      .catch(error => {
        this.#options.logger.error(
          { err: error },
          'the media keys cannot be kept: they are opened again later',
        );
        return null;
      });
    if (keyring !== null) {
      this.#options.logger.info('the encrypted storages are open now');
      await this.#reportMissingKeys();
    }
    return lock.closed;
  }

  /** A key that is lost must be known of before somebody needs what it opens. */
  async #reportMissingKeys(): Promise<void> {
    for (const keyId of await this.database.missingKeys()) {
      const message = `Recordings are encrypted with media key ${keyId}, which neither the media directory nor an archive has. They cannot be played until media-keys.json is put back from a copy, with its password.`;
      this.#options.logger.error({ keyId }, message);
      this.#retention.alarm({ name: 'Media key missing', message });
    }
  }

  /** Where the recordings of a device end is not known as long as they are in a media directory that is away. */
  #isIndexed(deviceId: DeviceId): boolean {
    const isAway = this.#options.away != null;
    return !isAway || liveStageIn(storagesOf(this.#options), this.#view, deviceId) !== OWN_STAGE;
  }

  /** The log says that it is being recorded: nobody said otherwise before the end. */
  #reportCrash(deviceId: DeviceId): void {
    const newestEndMs = this.database.newestEndMs(deviceId);
    const stop = this.#view.lastStop.get(deviceId);
    const event: HoldfastEvent = {
      type: 'RecordingStopped',
      data: {
        deviceId,
        recordingServerId: this.recordingServerId,
        atMs: newestEndMs ?? stop?.toMs ?? this.#options.now(),
        cause: 'SERVER_CRASHED',
      },
    };
    this.#report(`recording-${deviceId}`, event);
    // A camera may be there before the log has told it: the gap has its cause all the same.
    this.#view.apply(event);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { log, logger, random } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const batch of log.subscribe({ after: this.#keeper.place, signal, carried: true })) {
          for (const recorded of batch) {
            const event = this.#view.read(recorded);
            this.#keeper.passed(recorded);
            if (event !== null) this.#heed(event, recorded);
          }
          this.#keeper.saveSometimes(() => this.#view.toFold());
        }
      } catch (error) {
        if (signal.aborted) return;
        logger.error({ err: error }, 'the site log cannot be followed');
      }
      const pauseMs = subscribePauseMs * (0.5 + random());
      await delay(pauseMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #heed(event: HoldfastEvent, recorded: RecordedEvent): void {
    const trigger = triggerOfEvent(event, recorded.occurredAtMs);
    if (trigger !== null) this.#supervisor.trigger(trigger.deviceId, trigger.change);
    else if (event.type.startsWith('EvidenceLock')) this.#lockReports.tell();
    else if (event.type === 'HardwareMoved') this.#supervisor.reconcile('HARDWARE_MOVED');
    else if (/^(Hardware|Device|MotionDetection)/.test(event.type)) {
      this.#supervisor.reconcile('RECORDING_ENABLED');
    }
  }

  async #reportSealed(signal: AbortSignal): Promise<void> {
    const intervalMs = this.#options.sealReportIntervalMs;
    while (!signal.aborted) {
      await this.#lostLog.settle().catch(error => {
        this.#options.logger.error({ err: error }, 'the log could not be compared with what is recorded');
      });
      this.#composeSealed();
      await this.#outbox.drain(signal);
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #composeSealed(): void {
    try {
      let reported = 1;
      while (reported > 0 && !this.#outbox.isFull) {
        reported = this.database.reportSealed(report => this.#sealFacts(report));
      }
    } catch (error) {
      // The index knows what it has not reported: a full disk must not keep retention from making room.
      this.#options.logger.error({ err: error }, 'what was sealed cannot be reported yet');
    }
  }

  #sealFacts(report: SealReport): readonly OutgoingFact[] {
    return sealEvents(this.recordingServerId, report).map(event =>
      this.#outbox.fact(`recording-${report.deviceId}`, event),
    );
  }

  #deletionFacts(
    policy: DeletionPolicy,
    segments: readonly StoredSegment[],
    unreported: readonly SealReport[],
  ): readonly OutgoingFact[] {
    this.#motion.forget(segments);
    const events = deletionEvents(this.recordingServerId, policy, segments);
    return [
      ...unreported.flatMap(report => this.#sealFacts(report)),
      ...events.map(({ deviceId, event }) => this.#outbox.fact(`recording-${deviceId}`, event)),
    ];
  }

  #reportDamage({ deviceId, segmentId, fromMs, toMs, detail }: MediaDamage): void {
    const { recordingServerId } = this;
    this.#report(`recording-${deviceId}`, {
      type: 'RecordingDamaged',
      data: { deviceId, recordingServerId, segmentId, fromMs, toMs, detail: detail.slice(0, 1000) },
    });
  }

  /** False when the fact could not be kept. */
  #report(stream: string, event: HoldfastEvent): boolean {
    try {
      this.#outbox.put(stream, event);
      return true;
    } catch (error) {
      // A disk too full for one row: recording facts are made again from the files, halts are told later.
      this.#options.logger.error({ err: error, event }, 'a fact could not be kept');
      return false;
    } finally {
      this.#sendSoon();
    }
  }

  #sendSoon(): void {
    this.#outbox.send().catch(() => undefined);
  }
}
