import {
  type AlarmId,
  type DeviceId,
  type EvidenceLockId,
  type HardwareId,
  type HoldfastEvent,
  type RecordingServerId,
  recordingEvents,
  type SiteId,
} from '@holdfast/schema';
import { type Alarm, alarmDecider } from '../alarm/alarm.decider.js';
import { type EvidenceLock, evidenceLockDecider } from '../evidence-lock/evidence-lock.decider.js';
import { type Hardware, hardwareDecider } from '../hardware/hardware.decider.js';
import {
  type RecordingServerState,
  recordingServerDecider,
} from '../recording-server/recording-server.decider.js';
import { type Site, siteDecider } from './site.decider.js';

/**
 * What a site's log says about its configuration, alarms and evidence locks: the fold that the management server
 * decides on. Recording facts are not in it. One instance is fed by one reader; `apply` mutates it.
 */
export class SiteState {
  site: Site = siteDecider.initialState;
  readonly recordingServers = new Map<RecordingServerId, NonNullable<RecordingServerState>>();
  readonly hardware = new Map<HardwareId, NonNullable<Hardware>>();
  /** Hardware that was there once: a configuration file that still names it does not bring it back. */
  readonly removedHardware = new Set<HardwareId>();
  readonly alarms = new Map<AlarmId, NonNullable<Alarm>>();
  readonly evidenceLocks = new Map<EvidenceLockId, NonNullable<EvidenceLock>>();
  /** The revision of the last wish that was answered, by parent. */
  readonly answeredWishes = new Map<SiteId, number>();
  alarmCount = 0;

  apply(event: HoldfastEvent): void {
    switch (event.type) {
      case 'LogEpochOpened':
      case 'SiteEstablished':
      case 'SiteRenamed':
      case 'ChildSiteEnrolled':
        this.site = siteDecider.evolve(this.site, event);
        break;
      case 'RecordingServerRegistered':
      case 'RecordingServerRetentionSet':
      case 'RecordingServerStarted':
      case 'RecordingHalted':
      case 'RecordingUnhalted':
        evolveIn(this.recordingServers, event.data.recordingServerId, recordingServerDecider, event);
        break;
      case 'HardwareAdded':
      case 'HardwareRemoved':
        if (event.type === 'HardwareRemoved') this.removedHardware.add(event.data.hardwareId);
        else this.removedHardware.delete(event.data.hardwareId);
        evolveIn(this.hardware, event.data.hardwareId, hardwareDecider, event);
        break;
      case 'HardwareMoved':
      case 'DeviceRenamed':
      case 'DeviceEnabled':
      case 'DeviceDisabled':
      case 'DeviceRecordingEnabled':
      case 'DeviceRecordingDisabled':
        evolveIn(this.hardware, event.data.hardwareId, hardwareDecider, event);
        break;
      case 'AlarmRaised':
        this.alarmCount += 1;
        evolveIn(this.alarms, event.data.alarmId, alarmDecider, event);
        break;
      case 'AlarmAcknowledged':
      case 'AlarmPutOnHold':
      case 'AlarmClosed':
      case 'AlarmReopened':
      case 'AlarmAssigned':
      case 'AlarmPrioritised':
      case 'AlarmCommented':
        evolveIn(this.alarms, event.data.alarmId, alarmDecider, event);
        break;
      case 'EvidenceLockCreated':
      case 'EvidenceLockExtended':
      case 'EvidenceLockReleased':
        evolveIn(this.evidenceLocks, event.data.evidenceLockId, evidenceLockDecider, event);
        break;
      case 'CommandApplied':
      case 'CommandRejected':
      case 'CommandExpired':
        this.answeredWishes.set(event.data.parentSiteId, event.data.wishRevision);
        break;
    }
  }

  /** The name of one of the site's devices, or null when it has no such device. */
  deviceName(deviceId: DeviceId): string | null {
    for (const hardware of this.hardware.values()) {
      const device = hardware.devices.find(candidate => candidate.deviceId === deviceId);
      if (device) return device.name;
    }
    return null;
  }
}

const unread = new Set<string>(recordingEvents.map(definition => definition.type));

/** Whether `SiteState.apply` may read events of this type; a reader leaves all others undecoded. */
export function isSiteStateEvent(type: string): boolean {
  return !unread.has(type);
}

function evolveIn<Id, State, Event>(
  states: Map<Id, NonNullable<State>>,
  id: Id,
  decider: { readonly initialState: State; evolve(state: State, event: Event): State },
  event: Event,
): void {
  const state = decider.evolve(states.get(id) ?? decider.initialState, event);
  if (state === null || state === undefined) states.delete(id);
  else states.set(id, state);
}
