import {
  AlarmRaised,
  CommandApplied,
  CommandExpired,
  CommandRejected,
  type DeviceId,
  EventDecodeError,
  eventCatalogue,
  type HardwareId,
  type HoldfastEvent,
  hardwareEvents,
  type RecordingServerId,
  recordingServerEvents,
  type SiteId,
  type Subject,
  SubjectErased,
  siteEvents,
} from '@holdfast/schema';
import { type AsideEvent, asideEvent } from '../aggregate/stream-aggregate.js';
import { type Hardware, hardwareDecider } from '../hardware/hardware.decider.js';
import { readEventData } from '../log/event-data.js';
import type { RecordedEvent } from '../log/site-log.js';
import type { Erasure } from '../personal/erasures.js';
import type { ErasedKeysOfSubject } from '../personal/personal-texts.js';
import {
  type RecordingServerState,
  recordingServerDecider,
} from '../recording-server/recording-server.decider.js';
import type { AnsweredWish } from './answered-wish.js';
import { type Site, siteDecider } from './site.decider.js';

/**
 * What a site's log says about its configuration: the fold that the management server decides on. Alarms and evidence locks
 * are not in it, because they only ever become more: what is decided on one of them is folded from its own stream.
 * One instance is fed by one reader; `read` mutates it.
 */
export class SiteState {
  site: Site = siteDecider.initialState;
  readonly recordingServers = new Map<RecordingServerId, NonNullable<RecordingServerState>>();
  readonly hardware = new Map<HardwareId, NonNullable<Hardware>>();
  /** Hardware that was there once: a configuration file that still names it does not bring it back. */
  readonly removedHardware = new Set<HardwareId>();
  /** By parent. */
  readonly answeredWishes = new Map<SiteId, AnsweredWish>();
  alarmCount = 0;
  readonly erasures = new Map<Subject, Erasure>();
  /** Of its own configuration, by stream, the first event that could not be read: what the stream is about is as before. */
  readonly aside = new Map<string, AsideEvent>();
  /** The last revision of every stream of configuration, and of answers. */
  readonly revisions = new Map<string, number>();
  /** Events that could not be read, whatever their stream, and the last of them. */
  asideCount = 0;
  lastAside: AsideEvent | null = null;

  /** A state that was kept as data: all of its fields. */
  static restored(fields: SiteState): SiteState {
    return Object.assign(new SiteState(), fields);
  }

  read(recorded: RecordedEvent): void {
    const { stream, type, revision } = recorded;
    if (!isSiteStateEvent(type)) return;
    const isOwn = isConfigurationStream(stream);
    if (isOwn) this.revisions.set(stream, revision);
    const event = readEventData(recorded);
    if (event instanceof EventDecodeError) this.#putAside(asideEvent(recorded, event), type);
    else if (event.type === 'SubjectErased') this.#erased(recorded, event.data);
    else if (!this.aside.has(stream)) this.apply(event);
    if (stream.startsWith(ANSWERS)) this.#answered(recorded, event);
  }

  #erased({ occurredAtMs }: RecordedEvent, { subject, keyIds }: ErasedKeysOfSubject): void {
    const before = this.erasures.get(subject);
    const atMs = Math.max(before?.atMs ?? 0, occurredAtMs);
    this.erasures.set(subject, { atMs, keyIds: [...(before?.keyIds ?? []), ...keyIds] });
  }

  /** Also by what cannot be read: it must not be given twice. */
  #answered({ stream, causationId: wishId }: RecordedEvent, answer: HoldfastEvent | EventDecodeError): void {
    const parent = stream.slice(ANSWERS.length) as SiteId;
    const before = this.answeredWishes.get(parent);
    const isRead = !(answer instanceof EventDecodeError) && 'wishRevision' in answer.data;
    const revision = isRead ? answer.data.wishRevision : (before?.revision ?? -1) + 1;
    this.answeredWishes.set(parent, { revision, wishId, answerCount: (before?.answerCount ?? 0) + 1 });
  }

  apply(event: HoldfastEvent): void {
    switch (event.type) {
      case 'LogEpochOpened':
      case 'SiteEstablished':
      case 'SiteRenamed':
      case 'ChildSiteEnrolled':
      case 'LogKeyPinned':
        this.site = siteDecider.evolve(this.site, event);
        break;
      case 'RecordingServerRegistered':
      case 'RecordingServerRetentionSet':
      case 'StorageConfigured':
      case 'DeviceStorageAssigned':
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
      case 'DeviceRecordingPolicySet':
      case 'MotionDetectionConfigured':
      case 'DeviceStreamsConfigured':
        evolveIn(this.hardware, event.data.hardwareId, hardwareDecider, event);
        break;
      case 'AlarmRaised':
        this.alarmCount += 1;
        break;
    }
  }

  #putAside(aside: AsideEvent, type: string): void {
    this.asideCount += 1;
    this.lastAside = aside;
    // Each alarm has its number, whatever else there is to read about it.
    if (type === AlarmRaised.type) this.alarmCount += 1;
    const isOfConfiguration = isConfigurationStream(aside.stream) && !aside.stream.startsWith(ANSWERS);
    if (isOfConfiguration && !this.aside.has(aside.stream)) this.aside.set(aside.stream, aside);
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

const ANSWERS = 'answers-';
const known = new Set<string>(eventCatalogue.map(({ type }) => type));
const folded = new Set<string>([
  ...[...siteEvents, ...recordingServerEvents, ...hardwareEvents].map(({ type }) => type),
  ...[AlarmRaised, CommandApplied, CommandRejected, CommandExpired, SubjectErased].map(({ type }) => type),
]);

/** Whether `SiteState.read` needs events of this type: those that it folds, and those that nobody here knows. */
export function isSiteStateEvent(type: string): boolean {
  return folded.has(type) || !known.has(type);
}

const configurationStreams = ['child-site-', 'log-key-', 'recording-server-', 'hardware-', ANSWERS];

function isConfigurationStream(stream: string): boolean {
  return stream === 'site' || configurationStreams.some(prefix => stream.startsWith(prefix));
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
