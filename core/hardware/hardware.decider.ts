import type {
  CameraTransport,
  DeviceId,
  DeviceStreams,
  DeviceType,
  DriverName,
  HardwareEvent,
  HardwareId,
  MotionDetection,
  RecordingPolicy,
  RecordingServerId,
} from '@holdfast/schema';
import { accept, type Decider, type Decision, refuse } from '../decider/decider.js';
import { MOTION_DETECTION, RECORDING_POLICY } from '../recording-policy/recording-policy.js';
import type { SiteCommandOf } from '../site-command/site-command.js';
import { streamsOf } from './device-streams.js';
import type { HardwareCommand, HardwareRefusal } from './hardware.commands.js';

export interface Device {
  readonly deviceId: DeviceId;
  readonly type: DeviceType;
  readonly name: string;
  readonly enabled: boolean;
  readonly recordingEnabled: boolean;
  readonly recordingPolicy: RecordingPolicy;
  readonly motionDetection: MotionDetection;
  /** Null: nobody has configured them. See `streamsOf`. */
  readonly streams: DeviceStreams | null;
}

/** Null before the hardware was added and after it was removed. */
export type Hardware = {
  readonly hardwareId: HardwareId;
  readonly name: string;
  readonly driver: DriverName;
  readonly address: string;
  readonly transport: CameraTransport;
  readonly sealedCredentials: string | null;
  readonly recordingServerId: RecordingServerId;
  readonly devices: readonly Device[];
} | null;

export const hardwareDecider: Decider<Hardware, HardwareCommand, HardwareEvent, HardwareRefusal> = {
  initialState: null,
  decide(command, hardware) {
    switch (command.kind) {
      case 'AddHardware':
        return add(command, hardware);
      case 'RemoveHardware':
        return hardware === null
          ? notFound(command.hardwareId)
          : accept({ type: 'HardwareRemoved', data: { hardwareId: command.hardwareId } });
      case 'MoveHardware':
        return move(command, hardware);
      case 'ConfigureDevice':
        return configureDevice(command, hardware);
    }
  },
  evolve(hardware, event) {
    if (event.type === 'HardwareAdded') return added(event.data);
    if (hardware === null) return null;
    switch (event.type) {
      case 'HardwareRemoved':
        return null;
      case 'HardwareMoved':
        return { ...hardware, recordingServerId: event.data.toRecordingServerId };
      case 'DeviceRenamed':
        return withDevice(hardware, event.data.deviceId, { name: event.data.name });
      case 'DeviceEnabled':
        return withDevice(hardware, event.data.deviceId, { enabled: true });
      case 'DeviceDisabled':
        return withDevice(hardware, event.data.deviceId, { enabled: false });
      case 'DeviceRecordingEnabled':
        return withDevice(hardware, event.data.deviceId, { recordingEnabled: true });
      case 'DeviceRecordingDisabled':
        return withDevice(hardware, event.data.deviceId, { recordingEnabled: false });
      case 'DeviceRecordingPolicySet':
        return withDevice(hardware, event.data.deviceId, { recordingPolicy: event.data.policy });
      case 'MotionDetectionConfigured':
        return withDevice(hardware, event.data.deviceId, { motionDetection: event.data.motionDetection });
      case 'DeviceStreamsConfigured':
        return withDevice(hardware, event.data.deviceId, { streams: event.data.streams });
    }
  },
};

function added(data: Extract<HardwareEvent, { type: 'HardwareAdded' }>['data']): Hardware {
  const { hardwareId, name, driver, address, transport, sealedCredentials, recordingServerId } = data;
  const devices = data.devices.map(device => ({
    ...device,
    ...{ enabled: true, recordingEnabled: true },
    ...{ recordingPolicy: RECORDING_POLICY, motionDetection: MOTION_DETECTION, streams: null },
  }));
  return {
    ...{ hardwareId, name, driver, address, transport, sealedCredentials, recordingServerId, devices },
  };
}

function withDevice(hardware: NonNullable<Hardware>, deviceId: DeviceId, change: Partial<Device>): Hardware {
  return {
    ...hardware,
    devices: hardware.devices.map(device =>
      device.deviceId === deviceId ? { ...device, ...change } : device,
    ),
  };
}

type HardwareDecision = Decision<HardwareEvent, HardwareRefusal>;

function add(
  command: Extract<HardwareCommand, { kind: 'AddHardware' }>,
  hardware: Hardware,
): HardwareDecision {
  const { kind: _, recordingServerKnown, takenDeviceIds, ...data } = command;
  if (hardware !== null) {
    return refuse({ code: 'HARDWARE_EXISTS', message: `hardware ${data.hardwareId} exists already` });
  }
  if (!recordingServerKnown) return unknownRecordingServer(data.recordingServerId);
  if (takenDeviceIds.length > 0) {
    return refuse({ code: 'DEVICE_EXISTS', message: `device ${takenDeviceIds.join(', ')} exists already` });
  }
  const { driver = 'rtsp', transport = 'AUTO' } = data;
  if (!isOfDriver(data.address, driver)) return notOfDriver(data.address, driver);
  return accept({ type: 'HardwareAdded', data: { ...data, driver, transport } });
}

function move(
  command: Extract<HardwareCommand, { kind: 'MoveHardware' }>,
  hardware: Hardware,
): HardwareDecision {
  const { hardwareId, toRecordingServerId } = command;
  if (hardware === null) return notFound(hardwareId);
  if (command.destination.state === 'UNKNOWN') return unknownRecordingServer(toRecordingServerId);
  if (hardware.recordingServerId === toRecordingServerId) {
    return refuse({
      code: 'HARDWARE_THERE_ALREADY',
      message: `${hardware.name} is on recording server ${toRecordingServerId} already: name another one`,
    });
  }
  if (command.destination.state !== 'READY') return notTakenOver(hardware, command);
  return accept({
    type: 'HardwareMoved',
    data: { hardwareId, fromRecordingServerId: hardware.recordingServerId, toRecordingServerId },
  });
}

/** It would be recorded by nobody. */
function notTakenOver(
  { name }: NonNullable<Hardware>,
  { destination, toRecordingServerId: id, toStorageId }: Extract<HardwareCommand, { kind: 'MoveHardware' }>,
): HardwareDecision {
  if (destination.state === 'NO_STORAGE') {
    const has = destination.names.length === 0 ? 'only its default one' : destination.names.join(', ');
    return refuse({
      code: 'STORAGE_NOT_FOUND',
      message: `${name} stays: recording server ${id} has no storage ${toStorageId}; it has ${has}`,
    });
  }
  if (destination.state === 'HALTED') {
    return refuse({
      code: 'RECORDING_SERVER_HALTED',
      message: `${name} stays: recording server ${id} records nothing at present (${destination.cause})`,
    });
  }
  return refuse({
    code: 'RECORDING_SERVER_ABSENT',
    message: `${name} stays: recording server ${id} does not run at this site any more`,
  });
}

function configureDevice(command: SiteCommandOf<'ConfigureDevice'>, hardware: Hardware): HardwareDecision {
  const { hardwareId, deviceId, name, enabled, recordingEnabled } = command;
  if (hardware === null) return notFound(hardwareId);
  const device = hardware.devices.find(candidate => candidate.deviceId === deviceId);
  if (!device) {
    return refuse({
      code: 'DEVICE_NOT_FOUND',
      message: `hardware ${hardware.name} has no device ${deviceId}`,
    });
  }
  const events: HardwareEvent[] = [];
  const data = { hardwareId, deviceId };
  if (name !== undefined && name !== device.name)
    events.push({ type: 'DeviceRenamed', data: { ...data, name } });
  if (enabled !== undefined && enabled !== device.enabled) {
    events.push({ type: enabled ? 'DeviceEnabled' : 'DeviceDisabled', data });
  }
  if (recordingEnabled !== undefined && recordingEnabled !== device.recordingEnabled) {
    events.push({ type: recordingEnabled ? 'DeviceRecordingEnabled' : 'DeviceRecordingDisabled', data });
  }
  const { recordingPolicy, motionDetection } = command;
  if (recordingPolicy !== undefined && !isSame(recordingPolicy, device.recordingPolicy)) {
    events.push({ type: 'DeviceRecordingPolicySet', data: { ...data, policy: recordingPolicy } });
  }
  if (motionDetection !== undefined && !isSame(motionDetection, device.motionDetection)) {
    events.push({ type: 'MotionDetectionConfigured', data: { ...data, motionDetection } });
  }
  const { streams } = command;
  if (streams !== undefined && JSON.stringify(streams) !== JSON.stringify(streamsOf(hardware, device))) {
    const other = streams.streams.find(({ address }) => !isOfDriver(address, hardware.driver));
    if (other) return notOfDriver(other.address, hardware.driver);
    events.push({ type: 'DeviceStreamsConfigured', data: { ...data, streams } });
  }
  if (events.length > 0) return accept(...events);
  return refuse({
    code: 'NOTHING_ASKED',
    message: `${device.name} is so already: give another name, enabled, recordingEnabled, recordingPolicy, motionDetection or streams`,
  });
}

/** How the addresses of a driver begin. */
function schemesOf(driver: DriverName): readonly string[] {
  if (driver === 'simulated') return ['simulated:'];
  return driver === 'rtsp' ? ['rtsp://', 'rtsps://'] : ['http://', 'https://'];
}

function isOfDriver(address: string, driver: DriverName): boolean {
  return schemesOf(driver).some(scheme => address.startsWith(scheme));
}

function notOfDriver(address: string, driver: DriverName): HardwareDecision {
  const schemes = schemesOf(driver).join(' or ');
  return refuse({
    code: 'ADDRESS_NOT_OF_DRIVER',
    message: `the driver ${driver} needs an address that begins with ${schemes}, not ${address}`,
  });
}

function notFound(id: HardwareId): HardwareDecision {
  return refuse({ code: 'HARDWARE_NOT_FOUND', message: `this site has no hardware ${id}` });
}

function unknownRecordingServer(id: RecordingServerId): HardwareDecision {
  return refuse({ code: 'RECORDING_SERVER_NOT_FOUND', message: `this site has no recording server ${id}` });
}

/** Of plain data whose keys may stand in another order. */
function isSame<Setting extends object>(one: Setting, other: Setting): boolean {
  const sorted = (setting: Setting) => JSON.stringify(Object.entries(setting).sort());
  return sorted(one) === sorted(other);
}
