import type { FoldStore, ProtectedSpan, RetentionLimits, SiteLog, Storage } from '@holdfast/core';
import type { RecordingServerId, SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { CameraCredentials, RunCameraSession } from './drivers/driver.js';
import type { MediaDatabaseLimits } from './media-database/media-database.js';
import type { ObjectStoreAccess } from './object-store/object-store.js';

export interface RecordingServerOptions {
  readonly recordingServerId: RecordingServerId;
  readonly site: SiteId;
  readonly log: SiteLog;
  /** The directory of the media database; while that is `away`, its stand-in. */
  readonly dir: string;
  /**
   * Why the media directory is away. What is kept elsewhere is recorded, moved, deleted and played as ever; what is held for an
   * evidence lock is not known before it is back.
   */
  readonly away?: string | null;
  /** Where the stand-in is, or was, while the media directory was away. */
  readonly standIn?: string;
  /** Whether somebody may still give back what the log has lost, should it have lost anything. Left out: nobody. */
  readonly isHistoryAwaited?: () => boolean;
  /** Ends the opening, which may have the files of all storages to read. */
  readonly openSignal?: AbortSignal;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Milliseconds of a clock that is never set. */
  readonly monotonicMs: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** UUIDv7. */
  readonly newId: () => string;
  readonly openCredentials: (sealed: string) => CameraCredentials;
  readonly raiseAlarm: (alarm: { readonly name: string; readonly message: string }) => Promise<void>;
  /** What others have locked: not deleted meanwhile. Throws when that cannot be known: then nothing is deleted. */
  readonly pins: () => readonly ProtectedSpan[];
  readonly logger: Logger;
  /** Where what was read of the log is kept, so that a restart reads only what came after. */
  readonly folds: FoldStore;
  /** Of the one storage that there is when `storages` is left out: the media directory alone. */
  readonly limits: RetentionLimits;
  /** The first holds what is assigned to no other. */
  readonly storages?: readonly Storage[];
  /** How to sign in where archives are in object stores. */
  readonly objectStores?: readonly ObjectStoreAccess[];
  /** Opens what storages have encrypted; asked again for as long as it does not. Throws `MediaPasswordError`. */
  readonly mediaPassword?: () => string | null;
  readonly mediaLimits: MediaDatabaseLimits;
  /** How often what was sealed is told to the log. */
  readonly sealReportIntervalMs: number;
  readonly softwareVersion: string;
  /** `FFMPEG_BIN` of the environment, for snapshots. */
  readonly ffmpegBin: string | null;
  /** Other than the real ones for tests only. */
  readonly runCameraSession?: RunCameraSession;
  readonly freeBytes?: (dir: string) => Promise<number>;
  readonly retentionIntervalMs?: number;
  readonly preBufferMemoryMsMax?: number;
}
