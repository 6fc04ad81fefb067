import { actorOfUser, type PersonalTexts } from '@holdfast/core';
import type { Sql } from '../postgres/sql.js';
import {
  type EvidenceLockReports,
  readEvidenceLockReports,
} from '../read-models/evidence-lock/evidence-locks.query.js';
import { readDevicesById, readHardwareById } from '../read-models/hardware/devices.query.js';
import type { DeviceRow, HardwareRow } from '../read-models/hardware/hardware.read-model.js';
import { readDeviceHealth, readRecordingServerHealth } from '../read-models/health/health.query.js';
import type { DeviceHealthRow, RecordingServerHealthRow } from '../read-models/health/health.read-model.js';
import { readRecordingServersById } from '../read-models/recording-server/recording-servers.query.js';
import type { RecordingServerRow } from '../read-models/recording-server/recording-servers.read-model.js';
import {
  readStoragesOfServers,
  type ServerStorages,
} from '../read-models/recording-server/storages.query.js';
import { readSitesById } from '../read-models/site/sites.query.js';
import type { SiteRow } from '../read-models/site/sites.read-model.js';
import { BatchLoader } from './batch-loader.js';
import type { SubscriptionSources } from './subscription/subscription-sources.js';

export interface SignedInUser {
  readonly name: string;
  readonly administrator: boolean;
}

/** What every resolver of one operation shares. */
export interface ApiContext {
  /** Null: nobody is signed in, and every field refuses. */
  readonly user: SignedInUser | null;
  readonly load: EntityLoaders;
  readonly subscriptions: SubscriptionSources;
}

export interface EntityLoaders {
  readonly site: BatchLoader<SiteRow>;
  readonly recordingServer: BatchLoader<RecordingServerRow>;
  readonly hardware: BatchLoader<HardwareRow>;
  readonly device: BatchLoader<DeviceRow>;
  readonly deviceHealth: BatchLoader<DeviceHealthRow & { readonly id: string }>;
  readonly recordingServerHealth: BatchLoader<RecordingServerHealthRow>;
  readonly evidenceLockReports: BatchLoader<EvidenceLockReports>;
  readonly storages: BatchLoader<ServerStorages>;
}

export function createApiContext(
  sql: Sql,
  subscriptions: SubscriptionSources,
  user: SignedInUser | null,
): ApiContext {
  return {
    user,
    subscriptions,
    load: {
      site: new BatchLoader(ids => readSitesById(sql, ids)),
      recordingServer: new BatchLoader(ids => readRecordingServersById(sql, ids)),
      hardware: new BatchLoader(ids => readHardwareById(sql, ids)),
      device: new BatchLoader(ids => readDevicesById(sql, ids)),
      deviceHealth: new BatchLoader(ids => readDeviceHealth(sql, ids)),
      recordingServerHealth: new BatchLoader(ids => readRecordingServerHealth(sql, ids)),
      evidenceLockReports: new BatchLoader(ids => readEvidenceLockReports(sql, ids)),
      storages: new BatchLoader(ids => readStoragesOfServers(sql, ids)),
    },
  };
}

/** As it stands in the log: the name is sealed. */
export function actorOf(context: ApiContext, personal: PersonalTexts): string {
  return actorOfUser(personal, context.user!.name);
}
