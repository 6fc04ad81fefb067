import { registerEnumType } from 'type-graphql';

/** Registers a GraphQL enumeration for a union of strings. */
function enumeration<const Value extends string>(
  name: string,
  ...values: readonly Value[]
): { readonly [Each in Value]: Each } {
  const object = Object.fromEntries(values.map(value => [value, value])) as { [Each in Value]: Each };
  registerEnumType(object, { name });
  return object;
}

export const DeviceTypeEnum = enumeration(
  'DeviceType',
  'CAMERA',
  'MICROPHONE',
  'SPEAKER',
  'METADATA',
  'INPUT',
  'OUTPUT',
);
export const DriverEnum = enumeration('Driver', 'RTSP', 'ONVIF', 'MJPEG', 'SIMULATED');
export const CameraTransportEnum = enumeration('CameraTransport', 'AUTO', 'TCP', 'UDP', 'HTTP');
export const LinkStateEnum = enumeration('LinkState', 'UP', 'DOWN', 'CONNECTING');
export const AlarmStateEnum = enumeration('AlarmState', 'NEW', 'IN_PROGRESS', 'ON_HOLD', 'CLOSED');
export const SpanStateEnum = enumeration('SpanState', 'HELD', 'REMOTE', 'GAP', 'UNKNOWN');
export const RetrievalStateEnum = enumeration(
  'RetrievalState',
  'PENDING',
  'IN_PROGRESS',
  'INTERRUPTED',
  'COMPLETED',
  'FAILED',
  'CANCELLED',
);
export const RetrievalTriggerEnum = enumeration(
  'RetrievalTrigger',
  'ALARM',
  'EVIDENCE_LOCK',
  'REQUEST',
  'RULE',
  'LINK_RESTORE',
  'SCHEDULE',
);
export const CommandStateEnum = enumeration('CommandState', 'PENDING', 'APPLIED', 'REJECTED', 'EXPIRED');
export const EvidenceLockStateEnum = enumeration('EvidenceLockState', 'ACTIVE', 'EXPIRED', 'RELEASED');
export const EvidenceLockOutcomeEnum = enumeration(
  'EvidenceLockOutcome',
  'PENDING',
  'APPLIED',
  'PARTLY',
  'NOTHING_HELD',
);
export const HardwareConnectionStateEnum = enumeration(
  'HardwareConnectionState',
  'CONNECTED',
  'LOST',
  'UNKNOWN',
);

export const RecordingModeEnum = enumeration('RecordingMode', 'CONTINUOUS', 'MOTION', 'EVENT', 'MANUAL_ONLY');

/** The union of an enumeration's values. */
export type ValueOf<Enumeration> = Enumeration[keyof Enumeration];
export const ProjectionStateEnum = enumeration(
  'ProjectionState',
  'FOLLOWING',
  'CATCHING_UP',
  'HALTED',
  'NOT_SERVED',
);
export const QuarantineStatusEnum = enumeration('QuarantineStatus', 'POISON', 'UNTIL_UPGRADE', 'WAITING');
export const ConfigurationChangeEnum = enumeration('ConfigurationChangeKind', 'ADDED', 'REMOVED', 'ALTERED');
export const ConfiguredKindEnum = enumeration(
  'ConfiguredKind',
  'SITE',
  'CHILD_SITE',
  'RECORDING_SERVER',
  'HARDWARE',
  'DEVICE',
);
