import type { DeviceId, RecordingServerId, SiteEvent, SiteId, StorageId } from '@holdfast/schema';
import { suite } from 'uvu';
import { given } from '../decider/decider-specification.js';
import {
  type ConfiguredStorage,
  recordingServerDecider,
} from '../recording-server/recording-server.decider.js';
import { siteDecider } from './site.decider.js';

const test = suite('site and recording server');
const siteId = '018f0000-0000-7000-8000-000000000001' as SiteId;
const childId = '018f0000-0000-7000-8000-000000000002' as SiteId;
const certificateSha256 = 'ab'.repeat(32);
const established: SiteEvent = {
  type: 'SiteEstablished',
  data: { siteId, name: 'Central', sealingPublicKey: 'AAAA' },
};
const enrolled: SiteEvent = {
  type: 'ChildSiteEnrolled',
  data: { siteId: childId, name: 'Bus 12', certificateSha256 },
};

test('a log belongs to one site for ever', () => {
  const establish = { kind: 'EstablishSite', siteId, name: 'Central', sealingPublicKey: 'AAAA' } as const;
  given(siteDecider).when(establish).then(established);
  given(siteDecider, established).when(establish).thenRefused('SITE_ESTABLISHED');
});

test('a child is enrolled again only when its certificate or name differs', () => {
  const enrol = { kind: 'EnrolChildSite', siteId: childId, name: 'Bus 12', certificateSha256 } as const;
  given(siteDecider, established).when(enrol).then(enrolled);
  given(siteDecider, established, enrolled).when(enrol).thenRefused('NOTHING_ASKED');
  given(siteDecider, established, enrolled)
    .when({ ...enrol, certificateSha256: 'cd'.repeat(32) })
    .then({
      type: 'ChildSiteEnrolled',
      data: { ...enrolled.data, certificateSha256: 'cd'.repeat(32) },
    } as SiteEvent);
  given(siteDecider, established)
    .when({ ...enrol, siteId })
    .thenRefused('SITE_OWN_PARENT');
});

test('the key of a log is pinned once at first use, and anew only by the configuration', () => {
  const pin = { kind: 'PinLogKey', siteId: childId, publicKey: 'QQ==' } as const;
  const pinned = (because: 'CONFIGURED' | 'FIRST_USE', publicKey = 'QQ==') =>
    ({ type: 'LogKeyPinned', data: { siteId: childId, publicKey, because } }) as SiteEvent;
  given(siteDecider, established)
    .when({ ...pin, because: 'FIRST_USE' })
    .then(pinned('FIRST_USE'));
  given(siteDecider, established, pinned('FIRST_USE'))
    .when({ ...pin, because: 'CONFIGURED' })
    .thenRefused('NOTHING_ASKED');
  given(siteDecider, established, pinned('CONFIGURED'))
    .when({ ...pin, publicKey: 'Qg==', because: 'FIRST_USE' })
    .thenRefused('LOG_KEY_PINNED');
  given(siteDecider, established, pinned('FIRST_USE'))
    .when({ ...pin, publicKey: 'Qg==', because: 'CONFIGURED' })
    .then(pinned('CONFIGURED', 'Qg=='));
});

test('a recording server registers once', () => {
  const recordingServerId = '018f0000-0000-7000-8000-000000000003' as RecordingServerId;
  const register = { kind: 'RegisterRecordingServer', recordingServerId, name: 'RS 1' } as const;
  const registered = {
    type: 'RecordingServerRegistered',
    data: { recordingServerId, name: 'RS 1' },
  } as const;
  given(recordingServerDecider).when(register).then(registered);
  given(recordingServerDecider, registered).when(register).thenRefused('RECORDING_SERVER_EXISTS');
});

test('the retention of a recording server is a fact when it differs from the last one', () => {
  const recordingServerId = '018f0000-0000-7000-8000-000000000003' as RecordingServerId;
  const retention = { recordingServerId, retentionDays: 30, byteLengthMax: null } as const;
  const set = { kind: 'SetRecordingServerRetention', ...retention } as const;
  const registered = {
    type: 'RecordingServerRegistered',
    data: { recordingServerId, name: 'RS 1' },
  } as const;
  const fact = { type: 'RecordingServerRetentionSet', data: retention } as const;
  given(recordingServerDecider).when(set).thenRefused('RECORDING_SERVER_NOT_FOUND');
  given(recordingServerDecider, registered).when(set).then(fact);
  given(recordingServerDecider, registered, fact).when(set).thenRefused('NOTHING_ASKED');
  given(recordingServerDecider, registered, fact)
    .when({ ...set, retentionDays: 7 })
    .then({ type: 'RecordingServerRetentionSet', data: { ...retention, retentionDays: 7 } });
});

const configuredStorage: ConfiguredStorage = {
  encryption: 'NONE',
  recordingServerId: '018f0000-0000-7000-8000-000000000003' as RecordingServerId,
  ...{ storageId: '018f0000-0000-7000-8000-0000000000d1' as StorageId, name: 'Vault', isDefault: true },
  live: { path: null, retentionDays: 7, byteLengthMax: null, freeBytesLow: 5e9 },
  archives: [
    {
      ...{ path: '/mnt/archive', retentionDays: 90, byteLengthMax: null, freeBytesLow: 5e9 },
      ...{ objectStore: null, keyFramesOnly: false },
      schedule: { kind: 'DAILY', minuteOfDay: 120 },
    },
  ],
};
const { recordingServerId: ofServer } = configuredStorage;
const serverRegistered = {
  type: 'RecordingServerRegistered',
  data: { recordingServerId: ofServer, name: 'RS 1' },
} as const;
const storageFact = { type: 'StorageConfigured', data: configuredStorage } as const;

test('a storage is a fact when it differs from the last one, and its stages grow older', () => {
  const configure = { kind: 'ConfigureStorage', ...configuredStorage } as const;
  given(recordingServerDecider).when(configure).thenRefused('RECORDING_SERVER_NOT_FOUND');
  given(recordingServerDecider, serverRegistered).when(configure).then(storageFact);
  given(recordingServerDecider, serverRegistered, storageFact).when(configure).thenRefused('NOTHING_ASKED');
  const [archive] = configuredStorage.archives;
  given(recordingServerDecider, serverRegistered)
    .when({ ...configure, archives: [{ ...archive!, retentionDays: 7 }] })
    .thenRefused('ARCHIVE_RETENTION_TOO_SHORT');
  given(recordingServerDecider, serverRegistered)
    .when({ ...configure, archives: [archive!, { ...archive!, retentionDays: 365 }] })
    .thenRefused('STORAGE_PATH_TAKEN');
  given(recordingServerDecider, serverRegistered, storageFact)
    .when({ ...configure, storageId: '018f0000-0000-7000-8000-0000000000d2' as StorageId })
    .thenRefused('STORAGE_PATH_TAKEN');
});

test('a device is assigned to a storage that there is, once', () => {
  const deviceId = '018f0000-0000-7000-8000-0000000000c1' as DeviceId;
  const secondId = '018f0000-0000-7000-8000-0000000000d2' as StorageId;
  const second = {
    type: 'StorageConfigured',
    data: {
      ...{ ...configuredStorage, storageId: secondId, isDefault: false, archives: [] },
      live: { ...configuredStorage.live, path: '/mnt/second' },
    },
  } as const;
  const data = { recordingServerId: ofServer, deviceId, storageId: secondId };
  const assign = { kind: 'AssignDeviceStorage', ...data } as const;
  const assigned = { type: 'DeviceStorageAssigned', data } as const;
  given(recordingServerDecider, serverRegistered, storageFact).when(assign).thenRefused('STORAGE_NOT_FOUND');
  given(recordingServerDecider, serverRegistered, storageFact, second).when(assign).then(assigned);
  given(recordingServerDecider, serverRegistered, storageFact, second, assigned)
    .when(assign)
    .thenRefused('NOTHING_ASKED');
  // Everything is in the default storage that is in no other.
  given(recordingServerDecider, serverRegistered, storageFact)
    .when({ ...assign, storageId: configuredStorage.storageId })
    .thenRefused('NOTHING_ASKED');
});

test.run();
