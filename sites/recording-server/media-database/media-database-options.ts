import type { DeviceId, RecordingServerId, SegmentId } from '@holdfast/schema';
import type { ObjectStoreAccess } from '../object-store/object-store.js';
import type { MediaDatabaseLimits, MediaDatabaseObserver } from './media-database.js';
import type { MediaKeyring } from './media-keyring.js';

export interface MediaDatabaseOptions {
  /** Made when it is missing. Owned by one process at a time. While the media directory is `away`, its stand-in. */
  readonly dir: string;
  /** Why the media directory is away. Nothing is recorded into it then; what is in other stages is as ever. */
  readonly away?: string | null | undefined;
  /** Where its stand-in was, or may have been, before it was back. */
  readonly standIn?: string | undefined;
  /** Ends the making of an index. */
  readonly signal?: AbortSignal | undefined;
  readonly recordingServerId: RecordingServerId;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly newSegmentId: () => SegmentId;
  readonly limits: MediaDatabaseLimits;
  readonly observer: MediaDatabaseObserver;
  /** In which stage a device is recorded; it must be one of `stages`. Left out: all in `dir`. */
  readonly liveStageOf?: (deviceId: DeviceId) => string;
  /** Absolute paths of other live databases, then of the archives from near to far. */
  readonly stages?: readonly string[];
  /** Those that were used before, whatever the index knows: asked when it is made anew. */
  readonly usedStages?: () => Promise<ReadonlySet<string>>;
  /** How to sign in where archives are in object stores. */
  readonly objectStores?: readonly ObjectStoreAccess[] | undefined;
  /** Opens what is encrypted; a copy of it is kept in each stage. */
  readonly keyring?: MediaKeyring | null;
  /** Whether what is recorded into a live stage is encrypted. Only with a `keyring`. */
  readonly isEncrypted?: (stage: string) => boolean;
}
