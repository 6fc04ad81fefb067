import type { DeviceId, HardwareEvent, HardwareId, RecordingServerId } from '@holdfast/schema';
import { suite } from 'uvu';
import { given } from '../decider/decider-specification.js';
import { MOTION_DETECTION, RECORDING_POLICY } from '../recording-policy/recording-policy.js';
import type { HardwareCommand } from './hardware.commands.js';
import { hardwareDecider } from './hardware.decider.js';

const test = suite('hardware');
const hardwareId = '018f0000-0000-7000-8000-000000000001' as HardwareId;
const deviceId = '018f0000-0000-7000-8000-000000000002' as DeviceId;
const first = '018f0000-0000-7000-8000-000000000003' as RecordingServerId;
const second = '018f0000-0000-7000-8000-000000000004' as RecordingServerId;
const data = {
  ...{ hardwareId, name: 'Entrance', address: 'rtsp://10.0.0.7/main', sealedCredentials: null },
  ...{ recordingServerId: first, devices: [{ deviceId, type: 'CAMERA' as const, name: 'Entrance' }] },
};
const add: HardwareCommand = { kind: 'AddHardware', ...data, recordingServerKnown: true, takenDeviceIds: [] };
const added: HardwareEvent = { type: 'HardwareAdded', data: { ...data, driver: 'rtsp', transport: 'AUTO' } };
const moved: HardwareEvent = {
  type: 'HardwareMoved',
  data: { hardwareId, fromRecordingServerId: first, toRecordingServerId: second },
};
const move = {
  kind: 'MoveHardware',
  hardwareId,
  toRecordingServerId: second,
  destination: { state: 'READY' },
} as const;
const configure = { kind: 'ConfigureDevice', hardwareId, deviceId } as const;

test('hardware is added to a known recording server, once', () => {
  given(hardwareDecider).when(add).then(added);
  given(hardwareDecider, added).when(add).thenRefused('HARDWARE_EXISTS');
  given(hardwareDecider)
    .when({ ...add, recordingServerKnown: false })
    .thenRefused('RECORDING_SERVER_NOT_FOUND');
  given(hardwareDecider)
    .when({ ...add, takenDeviceIds: [deviceId] })
    .thenRefused('DEVICE_EXISTS');
});

test('an address is of the kind that its driver needs', () => {
  const mjpeg = { ...add, driver: 'mjpeg', address: 'http://10.0.0.7/video.mjpg' } as const;
  given(hardwareDecider)
    .when({ ...mjpeg, transport: 'UDP' })
    .then({
      type: 'HardwareAdded',
      data: { ...data, driver: 'mjpeg', address: mjpeg.address, transport: 'UDP' },
    });
  given(hardwareDecider)
    .when({ ...mjpeg, address: add.address })
    .thenRefused('ADDRESS_NOT_OF_DRIVER');
  given(hardwareDecider)
    .when({ ...add, address: mjpeg.address })
    .thenRefused('ADDRESS_NOT_OF_DRIVER');
});

test('hardware moves to another recording server and back', () => {
  given(hardwareDecider, added).when(move).then(moved);
  given(hardwareDecider, added, moved)
    .when({ ...move, toRecordingServerId: first })
    .then({
      type: 'HardwareMoved',
      data: { hardwareId, fromRecordingServerId: second, toRecordingServerId: first },
    });
});

test('a move to where it is, to nowhere, or of what is not there is refused', () => {
  given(hardwareDecider, added, moved).when(move).thenRefused('HARDWARE_THERE_ALREADY');
  given(hardwareDecider, added)
    .when({ ...move, destination: { state: 'UNKNOWN' } })
    .thenRefused('RECORDING_SERVER_NOT_FOUND');
  given(hardwareDecider).when(move).thenRefused('HARDWARE_NOT_FOUND');
});

test('a move to where nobody would record it is refused', () => {
  given(hardwareDecider, added)
    .when({ ...move, destination: { state: 'ABSENT' } })
    .thenRefused('RECORDING_SERVER_ABSENT');
  given(hardwareDecider, added)
    .when({ ...move, destination: { state: 'NO_STORAGE', names: ['Default'] } })
    .thenRefused('STORAGE_NOT_FOUND');
  given(hardwareDecider, added)
    .when({ ...move, destination: { state: 'HALTED', cause: 'DISK_FULL' } })
    .thenRefused('RECORDING_SERVER_HALTED');
});

test('only what differs is configured', () => {
  given(hardwareDecider, added)
    .when({ ...configure, name: 'Front door', enabled: true, recordingEnabled: false })
    .then(
      { type: 'DeviceRenamed', data: { hardwareId, deviceId, name: 'Front door' } },
      { type: 'DeviceRecordingDisabled', data: { hardwareId, deviceId } },
    );
  given(hardwareDecider, added)
    .when({ ...configure, enabled: true })
    .thenRefused('NOTHING_ASKED');
});

test('a recording policy and motion detection are set when they differ', () => {
  const policy = { ...RECORDING_POLICY, mode: 'MOTION' as const };
  const motionDetection = { ...MOTION_DETECTION, sensitivity: 80 };
  const set: readonly HardwareEvent[] = [
    { type: 'DeviceRecordingPolicySet', data: { hardwareId, deviceId, policy } },
    { type: 'MotionDetectionConfigured', data: { hardwareId, deviceId, motionDetection } },
  ];
  const command = { ...configure, recordingPolicy: policy, motionDetection };
  given(hardwareDecider, added)
    .when(command)
    .then(...set);
  given(hardwareDecider, added, ...set)
    .when(command)
    .thenRefused('NOTHING_ASKED');
  given(hardwareDecider, added)
    .when({ ...configure, recordingPolicy: RECORDING_POLICY })
    .thenRefused('NOTHING_ASKED');
});

test('removed hardware is gone and can be added again', () => {
  const removed: HardwareEvent = { type: 'HardwareRemoved', data: { hardwareId } };
  given(hardwareDecider, added).when({ kind: 'RemoveHardware', hardwareId }).then(removed);
  given(hardwareDecider, added, removed)
    .when({ ...configure, enabled: false })
    .thenRefused('HARDWARE_NOT_FOUND');
  given(hardwareDecider, added, removed).when(add).then(added);
});

test('a device has the streams that it was given, each at an address of its driver', () => {
  const main = { name: 'main', address: data.address };
  const sub = { name: 'sub', address: 'rtsp://10.0.0.7/sub' };
  const streams = { streams: [main, sub], recorded: 'main', live: 'sub', motion: null };
  const configured: HardwareEvent = {
    type: 'DeviceStreamsConfigured',
    data: { hardwareId, deviceId, streams },
  };
  given(hardwareDecider, added)
    .when({ ...configure, streams })
    .then(configured);
  given(hardwareDecider, added, configured)
    .when({ ...configure, streams })
    .thenRefused('NOTHING_ASKED');
  const one = { streams: [main], recorded: 'main', live: 'main', motion: null };
  given(hardwareDecider, added)
    .when({ ...configure, streams: one })
    .thenRefused('NOTHING_ASKED');
  const overHttp = { ...streams, streams: [main, { ...sub, address: 'http://10.0.0.7/sub' }] };
  given(hardwareDecider, added)
    .when({ ...configure, streams: overHttp })
    .thenRefused('ADDRESS_NOT_OF_DRIVER');
});

test.run();
