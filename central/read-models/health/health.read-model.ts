import type { HoldfastEvent, SiteId } from '@holdfast/schema';
import { ModelTable, mustBelongTo } from '../model-table.js';
import { defineReadModel } from '../read-model.js';

/** Under the device that owns the recordings: a microphone's are its camera's. */
export interface DeviceHealthRow {
  readonly deviceId: string;
  readonly siteId: string;
  readonly recordingServerId: string;
  readonly recording: boolean;
  /** When it began or ended, and why. Null: it never did. */
  readonly recordingChangedMs: number | null;
  readonly recordingCause: string | null;
  readonly motionSinceMs: number | null;
  readonly overflowSinceMs: number | null;
  readonly overflowCause: string | null;
}

export interface RecordingServerHealthRow {
  readonly id: string;
  readonly siteId: string;
  readonly diskSlowSinceMs: number | null;
  readonly diskWriteMs: number | null;
  readonly overloadedSinceMs: number | null;
  readonly overloadCause: string | null;
}

const deviceTable = new ModelTable<DeviceHealthRow>('device_health', ['deviceId']);
const serverTable = new ModelTable<RecordingServerHealthRow>('recording_server_health', ['id']);

const eventTypes = [
  'RecordingServerStarted',
  'RecordingStarted',
  'RecordingStopped',
  'MotionBegan',
  'MotionEnded',
  'DeviceOverflowBegan',
  'DeviceOverflowEnded',
  'DiskSlowed',
  'DiskRecovered',
  'RecordingServerOverloaded',
  'RecordingServerOverloadEnded',
] as const;

type Folded = Extract<HoldfastEvent, { type: (typeof eventTypes)[number] }>;
type OfDevice = Extract<Folded, { readonly data: { readonly deviceId: unknown } }>;
type OfServer = Exclude<Folded, OfDevice>;

const isOfDevice = (event: Folded): event is OfDevice => 'deviceId' in event.data;

export const healthReadModel = defineReadModel({
  name: 'health',
  version: 1,
  poison: 'stall-stream',
  checked: 'BY_SITE',
  tables: ['device_health', 'recording_server_health'],
  eventTypes,
  async fold(events, { tx }) {
    const all = events.map(({ event }) => event);
    const devices = await deviceTable.load(
      tx,
      'deviceId',
      all.filter(isOfDevice).map(({ data }) => data.deviceId),
    );
    const started = all.filter(({ type }) => type === 'RecordingServerStarted');
    const startedIds = [...new Set(started.map(({ data }) => data.recordingServerId))];
    const ofStarted = await tx<DeviceHealthRow[]>`
      select * from device_health where recording_server_id = any(${startedIds}::uuid[])`;
    for (const device of ofStarted) devices.set(device.deviceId, device);
    const serverIds = all.filter(event => !isOfDevice(event)).map(({ data }) => data.recordingServerId);
    const servers = await serverTable.load(tx, 'id', serverIds);
    for (const { site, event } of events) {
      if (isOfDevice(event)) {
        const id = event.data.deviceId;
        devices.set(id, withDeviceEvent(knownDevice(devices.get(id), event, site), event));
        continue;
      }
      const id = event.data.recordingServerId;
      servers.set(id, withServerEvent(knownServer(servers.get(id), id, site), event));
      if (event.type === 'RecordingServerStarted') forgetMoments(devices, id);
    }
    await deviceTable.save(tx, devices.values());
    await serverTable.save(tx, servers.values());
  },
});

/** A server that crashed could not say that what it had begun was over. Of recordings it says so when it starts. */
function forgetMoments(devices: Map<string, DeviceHealthRow>, recordingServerId: string): void {
  for (const [id, device] of devices) {
    if (device.recordingServerId !== recordingServerId) continue;
    devices.set(id, { ...device, motionSinceMs: null, overflowSinceMs: null, overflowCause: null });
  }
}

function knownDevice(known: DeviceHealthRow | undefined, event: OfDevice, siteId: SiteId): DeviceHealthRow {
  const { deviceId, recordingServerId } = event.data;
  if (known) mustBelongTo(siteId, known, `device ${deviceId}`);
  const fresh = {
    ...{ recording: false, recordingChangedMs: null, recordingCause: null },
    ...{ motionSinceMs: null, overflowSinceMs: null, overflowCause: null },
  };
  return { ...fresh, ...known, deviceId, siteId, recordingServerId };
}

function knownServer(
  known: RecordingServerHealthRow | undefined,
  id: string,
  siteId: SiteId,
): RecordingServerHealthRow {
  if (known) mustBelongTo(siteId, known, `recording server ${id}`);
  const fresh = {
    ...{ diskSlowSinceMs: null, diskWriteMs: null },
    ...{ overloadedSinceMs: null, overloadCause: null },
  };
  return known ?? { ...fresh, id, siteId };
}

function withDeviceEvent(device: DeviceHealthRow, { type, data }: OfDevice): DeviceHealthRow {
  switch (type) {
    case 'RecordingStarted':
    case 'RecordingStopped':
      return {
        ...device,
        ...{ recording: type === 'RecordingStarted', recordingChangedMs: data.atMs },
        recordingCause: data.cause,
      };
    case 'MotionBegan':
      return { ...device, motionSinceMs: data.atMs };
    case 'MotionEnded':
      return { ...device, motionSinceMs: null };
    case 'DeviceOverflowBegan':
      return { ...device, overflowSinceMs: data.atMs, overflowCause: data.cause };
    case 'DeviceOverflowEnded':
      return { ...device, overflowSinceMs: null, overflowCause: null };
  }
}

function withServerEvent(
  server: RecordingServerHealthRow,
  { type, data }: OfServer,
): RecordingServerHealthRow {
  switch (type) {
    case 'RecordingServerStarted':
      return {
        ...server,
        ...{ diskSlowSinceMs: null, diskWriteMs: null, overloadedSinceMs: null, overloadCause: null },
      };
    case 'DiskSlowed':
      return { ...server, diskSlowSinceMs: data.atMs, diskWriteMs: data.writeMs };
    case 'DiskRecovered':
      return { ...server, diskSlowSinceMs: null, diskWriteMs: null };
    case 'RecordingServerOverloaded':
      return { ...server, overloadedSinceMs: data.atMs, overloadCause: data.cause };
    case 'RecordingServerOverloadEnded':
      return { ...server, overloadedSinceMs: null, overloadCause: null };
  }
}
