import { alarmsReadModel } from './alarm/alarms.read-model.js';
import { auditTrailReadModel } from './audit/audit-trail.read-model.js';
import { bookmarksReadModel } from './bookmark/bookmarks.read-model.js';
import { commandsReadModel } from './command/commands.read-model.js';
import { eventDevicesReadModel } from './event/event-devices.read-model.js';
import { evidenceLocksReadModel } from './evidence-lock/evidence-locks.read-model.js';
import { hardwareReadModel } from './hardware/hardware.read-model.js';
import { healthReadModel } from './health/health.read-model.js';
import type { ReadModel } from './read-model.js';
import { heldSegmentsReadModel } from './recording/held-segments.read-model.js';
import { recordingsReadModel } from './recording/recordings.read-model.js';
import { recordingServersReadModel } from './recording-server/recording-servers.read-model.js';
import { storagesReadModel } from './recording-server/storages.read-model.js';
import { retrievalsReadModel } from './retrieval/retrievals.read-model.js';
import { linksReadModel } from './site/links.read-model.js';
import { sitesReadModel } from './site/sites.read-model.js';

/** Everything that a central remembers. They are folded side by side, so that an answer never mixes two moments. */
export const readModels: readonly ReadModel[] = [
  sitesReadModel,
  linksReadModel,
  recordingServersReadModel,
  storagesReadModel,
  hardwareReadModel,
  healthReadModel,
  alarmsReadModel,
  evidenceLocksReadModel,
  bookmarksReadModel,
  recordingsReadModel,
  heldSegmentsReadModel,
  retrievalsReadModel,
  commandsReadModel,
  auditTrailReadModel,
  eventDevicesReadModel,
];
