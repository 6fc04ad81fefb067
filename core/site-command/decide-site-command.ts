import type { HoldfastEvent, RecordingServerId, SiteCommand } from '@holdfast/schema';
import { eventsAfter, type PastEvent } from '../aggregate/past-events.js';
import type { AlarmRefusal } from '../alarm/alarm.commands.js';
import { type Alarm, alarmDecider } from '../alarm/alarm.decider.js';
import { type Bookmark, type BookmarkRefusal, bookmarkDecider } from '../bookmark/bookmark.decider.js';
import type { Decision } from '../decider/decider.js';
import type { EvidenceLockRefusal } from '../evidence-lock/evidence-lock.commands.js';
import { type EvidenceLock, evidenceLockDecider } from '../evidence-lock/evidence-lock.decider.js';
import type { HardwareRefusal, MoveDestination } from '../hardware/hardware.commands.js';
import { hardwareDecider } from '../hardware/hardware.decider.js';
import {
  type ManualRecording,
  type ManualRecordingRefusal,
  manualRecordingDecider,
} from '../manual-recording/manual-recording.decider.js';
import { decideEraseSubject, type EraseSubjectRefusal } from '../personal/erase-subject.js';
import { haltOfStorage, recordingServerDecider } from '../recording-server/recording-server.decider.js';
import type { SiteState } from '../site/site-state.js';
import type { SiteCommandRefusal } from './site-command.js';

/** Every name by which a command is refused. */
export type SiteCommandRefusalCode = (
  | AlarmRefusal
  | BookmarkRefusal
  | EraseSubjectRefusal
  | EvidenceLockRefusal
  | HardwareRefusal
  | ManualRecordingRefusal
)['code'];

export interface SiteCommandDecision<Code extends string = string> {
  /** The stream that the events belong to. */
  readonly stream: string;
  readonly decision: Decision<HoldfastEvent, SiteCommandRefusal<Code>>;
  /** What belongs to it in another stream of the configuration: it is recorded before, in the same append. */
  readonly before?: { readonly stream: string; readonly events: readonly HoldfastEvent[] } | undefined;
}

/** What a command is decided on. */
export interface SiteCommandFacts {
  readonly state: SiteState;
  /** The state of what `aggregateStreamOf` names; not looked at for other commands. */
  readonly aggregate: unknown;
  /** All that has happened to it, oldest first. */
  readonly past: readonly PastEvent[];
  /** Keys of the subject that is to be erased, as far as they are held here. */
  readonly subjectKeyIds: readonly string[];
  /** Recording servers that run now. Null: all that are registered. */
  readonly recordingServersRunning: ReadonlySet<RecordingServerId> | null;
  readonly nowMs: number;
}

/** The stream of what a command is about (an alarm, an evidence lock, …), or null: then it is about the configuration. */
export function aggregateStreamOf(command: SiteCommand): string | null {
  switch (command.kind) {
    case 'RaiseAlarm':
    case 'HandleAlarm':
      return `alarm-${command.alarmId}`;
    case 'CreateEvidenceLock':
    case 'ExtendEvidenceLock':
    case 'ReleaseEvidenceLock':
      return `evidence-lock-${command.evidenceLockId}`;
    case 'StartRecording':
    case 'StopRecording':
      return `manual-recording-${command.deviceId}`;
    case 'CreateBookmark':
      return `bookmark-${command.bookmarkId}`;
    default:
      return null;
  }
}

/** Gives a command to the decider of its aggregate, together with the facts of the site that the rules need. */
export function decideSiteCommand(
  command: SiteCommand,
  { state, aggregate, past, subjectKeyIds, recordingServersRunning, nowMs }: SiteCommandFacts,
): SiteCommandDecision<SiteCommandRefusalCode> {
  switch (command.kind) {
    case 'AddHardware':
    case 'RemoveHardware':
    case 'MoveHardware':
    case 'ConfigureDevice':
      return {
        stream: `hardware-${command.hardwareId}`,
        before: command.kind === 'MoveHardware' ? storageAssigned(command, state) : undefined,
        decision: hardwareDecider.decide(
          withHardwareFacts(command, state, recordingServersRunning),
          state.hardware.get(command.hardwareId) ?? null,
        ),
      };
    case 'RaiseAlarm':
    case 'HandleAlarm':
      return {
        stream: `alarm-${command.alarmId}`,
        decision: alarmDecider.decide(
          command.kind === 'HandleAlarm'
            ? withHandledMeanwhile(command, past)
            : withAlarmFacts(command, state, nowMs),
          aggregate as Alarm,
        ),
      };
    case 'CreateEvidenceLock':
    case 'ExtendEvidenceLock':
    case 'ReleaseEvidenceLock':
      return {
        stream: `evidence-lock-${command.evidenceLockId}`,
        decision: evidenceLockDecider.decide(
          withEvidenceLockFacts(command, state, nowMs),
          aggregate as EvidenceLock,
        ),
      };
    case 'StartRecording':
    case 'StopRecording': {
      const deviceKnown = state.deviceName(command.deviceId) !== null;
      return {
        stream: `manual-recording-${command.deviceId}`,
        decision: manualRecordingDecider.decide(
          { ...command, deviceKnown, nowMs },
          aggregate as ManualRecording,
        ),
      };
    }
    case 'CreateBookmark': {
      const deviceKnown = state.deviceName(command.deviceId) !== null;
      return {
        stream: `bookmark-${command.bookmarkId}`,
        decision: bookmarkDecider.decide({ ...command, deviceKnown }, aggregate as Bookmark),
      };
    }
    case 'EraseSubject':
      return {
        stream: `subject-${command.subject}`,
        decision: decideEraseSubject(command.subject, subjectKeyIds),
      };
  }
}

type Of<Kind extends SiteCommand['kind']> = Extract<SiteCommand, { kind: Kind }>;

function withHardwareFacts(
  command: Of<'AddHardware' | 'RemoveHardware' | 'MoveHardware' | 'ConfigureDevice'>,
  state: SiteState,
  running: ReadonlySet<RecordingServerId> | null,
): Parameters<typeof hardwareDecider.decide>[0] {
  switch (command.kind) {
    case 'AddHardware': {
      const taken = command.devices.filter(device => state.deviceName(device.deviceId) !== null);
      return {
        ...command,
        recordingServerKnown: state.recordingServers.has(command.recordingServerId),
        takenDeviceIds: taken.map(device => device.deviceId),
      };
    }
    case 'MoveHardware':
      return { ...command, destination: destinationOf(command, state, running) };
    case 'RemoveHardware':
    case 'ConfigureDevice':
      return command;
  }
}

function destinationOf(
  { hardwareId, toRecordingServerId, toStorageId }: Of<'MoveHardware'>,
  { recordingServers, hardware }: SiteState,
  running: ReadonlySet<RecordingServerId> | null,
): MoveDestination {
  const server = recordingServers.get(toRecordingServerId);
  if (server === undefined) return { state: 'UNKNOWN' };
  if (running !== null && !running.has(toRecordingServerId)) return { state: 'ABSENT' };
  if (toStorageId !== undefined && !server.storages.has(toStorageId)) {
    return { state: 'NO_STORAGE', names: [...server.storages.values()].map(({ name }) => name) };
  }
  // Where it was before, if it was.
  const known = hardware.get(hardwareId)?.devices.map(({ deviceId }) => server.storageOfDevice.get(deviceId));
  const cause = haltOfStorage(server, toStorageId ?? known?.find(storageId => storageId !== undefined));
  return cause === null ? { state: 'READY' } : { state: 'HALTED', cause };
}

/** Into which storage of the other recording server it moves. Undefined: none is named, or it is assigned to that one already. */
function storageAssigned(
  { hardwareId, toRecordingServerId: recordingServerId, toStorageId: storageId }: Of<'MoveHardware'>,
  { hardware, recordingServers }: SiteState,
): SiteCommandDecision['before'] {
  const moved = hardware.get(hardwareId);
  if (storageId === undefined || !moved) return undefined;
  // All recordings of one hardware stand under one device.
  const { deviceId } = moved.devices.find(({ type }) => type === 'CAMERA') ?? moved.devices[0]!;
  const decision = recordingServerDecider.decide(
    { kind: 'AssignDeviceStorage', recordingServerId, deviceId, storageId },
    recordingServers.get(recordingServerId) ?? null,
  );
  if (!decision.accepted) return undefined;
  return { stream: `recording-server-${recordingServerId}`, events: decision.events };
}

function withHandledMeanwhile(command: Of<'HandleAlarm'>, past: readonly PastEvent[]) {
  const { expectedLastId } = command;
  return { ...command, meanwhile: expectedLastId === undefined ? [] : eventsAfter(past, expectedLastId) };
}

function withAlarmFacts(command: Of<'RaiseAlarm'>, state: SiteState, nowMs: number) {
  const sourceName = command.sourceDeviceId === null ? null : state.deviceName(command.sourceDeviceId);
  return { ...command, localNumber: state.alarmCount + 1, sourceName, nowMs };
}

function withEvidenceLockFacts(
  command: Of<'CreateEvidenceLock' | 'ExtendEvidenceLock' | 'ReleaseEvidenceLock'>,
  state: SiteState,
  nowMs: number,
): Parameters<typeof evidenceLockDecider.decide>[0] {
  switch (command.kind) {
    case 'CreateEvidenceLock': {
      const unknownDeviceIds = command.deviceIds.filter(deviceId => state.deviceName(deviceId) === null);
      return { ...command, unknownDeviceIds, nowMs };
    }
    case 'ExtendEvidenceLock':
      return { ...command, nowMs };
    case 'ReleaseEvidenceLock':
      return command;
  }
}
