import type { CameraTransport, DeviceType, DriverName, HoldfastEvent } from '@holdfast/schema';
import { ModelTable, mustBelongTo } from '../model-table.js';
import { defineReadModel, IndigestibleEventError } from '../read-model.js';

export interface HardwareRow {
  readonly id: string;
  readonly siteId: string;
  readonly name: string;
  readonly address: string;
  /** Null until the rows are built anew. */
  readonly driver: DriverName | null;
  readonly transport: CameraTransport | null;
  /** JSON of the event; null: the camera has not said. */
  readonly capabilities: string | null;
  readonly recordingServerId: string;
  /** Gone, but its recordings may still be asked for. */
  readonly removed: boolean;
  readonly connection: 'CONNECTED' | 'LOST' | 'UNKNOWN';
  readonly connectionSinceMs: number | null;
  readonly connectionDetail: string | null;
}

export interface DeviceRow {
  readonly id: string;
  readonly siteId: string;
  readonly hardwareId: string;
  readonly type: DeviceType;
  readonly name: string;
  readonly enabled: boolean;
  readonly recordingEnabled: boolean;
  /** JSON of the event; null: nobody has set it. */
  readonly recordingPolicy: string | null;
  readonly motionDetection: string | null;
  readonly streams: string | null;
  readonly removed: boolean;
}

const hardwareTable = new ModelTable<HardwareRow>('hardware', ['id']);
const deviceTable = new ModelTable<DeviceRow>('device', ['id']);

type HardwareEvent = Extract<
  HoldfastEvent,
  {
    type:
      | `Hardware${string}`
      | 'DeviceRenamed'
      | `Device${string}abled`
      | 'DeviceRecordingPolicySet'
      | 'DeviceStreamsConfigured'
      | 'MotionDetectionConfigured';
  }
>;

export const hardwareReadModel = defineReadModel({
  name: 'hardware',
  version: 5,
  poison: 'stall-stream',
  checked: 'BY_SITE',
  tables: ['hardware', 'device'],
  eventTypes: [
    'HardwareAdded',
    'HardwareRemoved',
    'HardwareMoved',
    'HardwareConnected',
    'HardwareConnectionLost',
    'HardwareCapabilitiesFound',
    'DeviceRenamed',
    'DeviceEnabled',
    'DeviceDisabled',
    'DeviceRecordingEnabled',
    'DeviceRecordingDisabled',
    'DeviceRecordingPolicySet',
    'MotionDetectionConfigured',
    'DeviceStreamsConfigured',
  ],
  async fold(events, { tx }) {
    const hardwareIds = events.map(({ event }) => event.data.hardwareId);
    const added = events.flatMap(({ event }) => (event.type === 'HardwareAdded' ? event.data.devices : []));
    const hardware = await hardwareTable.load(tx, 'id', hardwareIds);
    const devices = await deviceTable.load(
      tx,
      'id',
      added.map(device => device.deviceId),
    );
    const ofHardware = await tx<DeviceRow[]>`
      select * from device where hardware_id = any(${[...new Set(hardwareIds)]}::uuid[])`;
    for (const device of ofHardware) devices.set(device.id, device);
    for (const { site, event } of events) {
      foldEvent({ hardware, devices, site }, event);
    }
    await hardwareTable.save(tx, hardware.values());
    await deviceTable.save(tx, devices.values());
  },
});

interface Rows {
  readonly hardware: Map<string, HardwareRow>;
  readonly devices: Map<string, DeviceRow>;
  readonly site: Parameters<typeof mustBelongTo>[0];
}

function foldEvent(rows: Rows, event: HardwareEvent): void {
  const { hardware, site } = rows;
  const id = event.data.hardwareId;
  const known = hardware.get(id);
  if (known) mustBelongTo(site, known, `hardware ${id}`);
  if (event.type === 'HardwareAdded') {
    add(rows, event);
    return;
  }
  if (!known) throw new IndigestibleEventError(`${event.type} of hardware ${id}, never added`);
  switch (event.type) {
    case 'HardwareRemoved':
      hardware.set(id, { ...known, removed: true });
      for (const device of rows.devices.values()) {
        if (device.hardwareId === id) rows.devices.set(device.id, { ...device, removed: true });
      }
      return;
    case 'HardwareMoved':
      hardware.set(id, { ...known, recordingServerId: event.data.toRecordingServerId });
      return;
    case 'HardwareCapabilitiesFound':
      hardware.set(id, { ...known, capabilities: JSON.stringify(event.data.capabilities) });
      return;
    case 'HardwareConnected':
    case 'HardwareConnectionLost':
      hardware.set(id, withConnection(known, event));
      return;
    default:
      configureDevice(rows, event);
  }
}

function add({ hardware, devices, site }: Rows, event: Extract<HardwareEvent, { type: 'HardwareAdded' }>) {
  const { hardwareId, name, driver, address, transport, recordingServerId } = event.data;
  for (const { deviceId, ...device } of event.data.devices) {
    const taken = devices.get(deviceId);
    if (taken) mustBelongTo(site, taken, `device ${deviceId}`);
    devices.set(deviceId, {
      ...{ id: deviceId, siteId: site, hardwareId, ...device },
      ...{ enabled: true, recordingEnabled: true, removed: false },
      ...{ recordingPolicy: null, motionDetection: null, streams: null },
    });
  }
  hardware.set(hardwareId, {
    ...{ id: hardwareId, siteId: site, name, driver, address, transport, recordingServerId, removed: false },
    capabilities: null,
    ...{ connection: 'UNKNOWN', connectionSinceMs: null, connectionDetail: null },
  });
}

function withConnection(
  known: HardwareRow,
  event: Extract<HardwareEvent, { type: 'HardwareConnected' | 'HardwareConnectionLost' }>,
): HardwareRow {
  // A recording server that has handed the hardware over may still report its own last words.
  if (event.data.recordingServerId !== known.recordingServerId) return known;
  const connectionSinceMs = event.data.atMs;
  if (event.type === 'HardwareConnected') {
    return { ...known, connection: 'CONNECTED', connectionSinceMs, connectionDetail: null };
  }
  const connectionDetail = `${event.data.cause}: ${event.data.detail}`;
  return { ...known, connection: 'LOST', connectionSinceMs, connectionDetail };
}

function configureDevice(
  { devices, site }: Rows,
  event: Exclude<HardwareEvent, { type: `Hardware${string}` }>,
): void {
  const id = event.data.deviceId;
  const device = devices.get(id);
  if (!device) throw new IndigestibleEventError(`${event.type} of device ${id}, never added`);
  mustBelongTo(site, device, `device ${id}`);
  devices.set(id, { ...device, ...deviceChange(event) });
}

function deviceChange(event: Exclude<HardwareEvent, { type: `Hardware${string}` }>): Partial<DeviceRow> {
  switch (event.type) {
    case 'DeviceRenamed':
      return { name: event.data.name };
    case 'DeviceEnabled':
      return { enabled: true };
    case 'DeviceDisabled':
      return { enabled: false };
    case 'DeviceRecordingEnabled':
      return { recordingEnabled: true };
    case 'DeviceRecordingDisabled':
      return { recordingEnabled: false };
    case 'DeviceRecordingPolicySet':
      return { recordingPolicy: JSON.stringify(event.data.policy) };
    case 'MotionDetectionConfigured':
      return { motionDetection: JSON.stringify(event.data.motionDetection) };
    case 'DeviceStreamsConfigured':
      return { streams: JSON.stringify(event.data.streams) };
  }
}
