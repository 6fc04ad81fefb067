import type { DeviceId, HardwareId, RecordingServerId, SiteId } from '@holdfast/schema';
import { streamsOf } from '../hardware/device-streams.js';
import type { RecordedEvent } from '../log/site-log.js';
import type { SiteState } from '../site/site-state.js';

export type ConfiguredKind = 'SITE' | 'CHILD_SITE' | 'RECORDING_SERVER' | 'HARDWARE' | 'DEVICE';

/** One thing of a site's configuration, with everything about it that can be configured, in words. */
export interface ConfiguredThing {
  readonly kind: ConfiguredKind;
  readonly id: string;
  readonly name: string;
  readonly settings: Readonly<Record<string, string | null>>;
}

export type ConfigurationChangeKind = 'ADDED' | 'REMOVED' | 'ALTERED';

export interface ConfigurationChange {
  readonly change: ConfigurationChangeKind;
  readonly kind: ConfiguredKind;
  readonly id: string;
  /** What it is called at the end, or was called when it went. */
  readonly name: string;
  /** Of what was altered: the setting, as it was and as it is. Null for what was added or removed as a whole. */
  readonly setting: string | null;
  readonly before: string | null;
  readonly after: string | null;
  /** The last event that brought it about. */
  readonly event: RecordedEvent;
}

/** Whether a stream carries configuration: what a site is set up to be, and not what happens there. */
export function isConfigurationStream(stream: string): boolean {
  return thingsOf(stream) !== null;
}

type ThingsOf = (state: SiteState) => readonly ConfiguredThing[];

/**
 * Follows how a configuration becomes another: told of every event of its streams, it says at the end what differs, and which
 * event did that last. What was altered and altered back is no change.
 */
export class ConfigurationDiff {
  readonly #state: SiteState;
  /** Of the streams that were written: what their things were at first. */
  readonly #before = new Map<string, ReadonlyMap<string, ConfiguredThing>>();
  readonly #lastEvents = new Map<string, RecordedEvent>();

  /** `state` is the configuration to begin with; it is folded on. */
  constructor(state: SiteState) {
    this.#state = state;
  }

  read(recorded: RecordedEvent): void {
    const of = thingsOf(recorded.stream);
    if (of === null) return;
    const before = byId(of(this.#state));
    if (!this.#before.has(recorded.stream)) this.#before.set(recorded.stream, before);
    this.#state.read(recorded);
    for (const { id, setting } of differences(before, byId(of(this.#state)))) {
      this.#lastEvents.set(`${id} ${setting}`, recorded);
    }
  }

  changes(): readonly ConfigurationChange[] {
    const changes: ConfigurationChange[] = [];
    for (const [stream, before] of this.#before) {
      for (const difference of differences(before, byId(thingsOf(stream)!(this.#state)))) {
        const { id, setting } = difference;
        // A thing that went and came back has its settings altered by the event that brought it back.
        const event = this.#lastEvents.get(`${id} ${setting}`) ?? this.#lastEvents.get(`${id} ${null}`)!;
        changes.push({ ...difference, event });
      }
    }
    return changes;
  }
}

type Difference = Omit<ConfigurationChange, 'event'>;

function* differences(
  before: ReadonlyMap<string, ConfiguredThing>,
  after: ReadonlyMap<string, ConfiguredThing>,
): Generator<Difference> {
  for (const [id, { kind, name }] of before) {
    if (!after.has(id))
      yield { change: 'REMOVED', ...{ kind, id, name, setting: null, before: null, after: null } };
  }
  for (const [id, { kind, name, settings }] of after) {
    const old = before.get(id)?.settings;
    if (old === undefined) {
      yield { change: 'ADDED', ...{ kind, id, name, setting: null, before: null, after: null } };
      continue;
    }
    for (const [setting, value] of Object.entries(settings)) {
      const was = old[setting] ?? null;
      if (was !== value)
        yield { change: 'ALTERED', ...{ kind, id, name, setting, before: was, after: value } };
    }
  }
}

function byId(things: readonly ConfiguredThing[]): ReadonlyMap<string, ConfiguredThing> {
  return new Map(things.map(thing => [thing.id, thing]));
}

/** The things that a stream speaks of; null when it speaks of no configuration. */
function thingsOf(stream: string): ThingsOf | null {
  if (stream === 'site')
    return ({ site }) => (site.siteId === null ? [] : [siteThing(site.siteId, site.name)]);
  const id = idAfter(stream, 'child-site-') as SiteId | null;
  if (id !== null) {
    return ({ site }) => {
      const child = site.children.get(id);
      return child ? [{ kind: 'CHILD_SITE', id, name: child.name, settings: { ...child } }] : [];
    };
  }
  const server = idAfter(stream, 'recording-server-') as RecordingServerId | null;
  if (server !== null) return state => recordingServerThings(state, server);
  const hardware = idAfter(stream, 'hardware-') as HardwareId | null;
  return hardware === null || stream.startsWith('hardware-connection-')
    ? null
    : state => hardwareThings(state, hardware);
}

function idAfter(stream: string, prefix: string): string | null {
  return stream.startsWith(prefix) ? stream.slice(prefix.length) : null;
}

function siteThing(id: SiteId, name: string): ConfiguredThing {
  return { kind: 'SITE', id, name, settings: { name } };
}

function recordingServerThings(
  { recordingServers }: SiteState,
  id: RecordingServerId,
): readonly ConfiguredThing[] {
  const server = recordingServers.get(id);
  if (!server) return [];
  const { name, retention } = server;
  const settings = {
    name,
    retentionDays: text(retention?.retentionDays),
    byteLengthMax: text(retention?.byteLengthMax),
  };
  return [{ kind: 'RECORDING_SERVER', id, name, settings }];
}

function hardwareThings(state: SiteState, id: HardwareId): readonly ConfiguredThing[] {
  const hardware = state.hardware.get(id);
  if (!hardware) return [];
  const { name, driver, address, transport, recordingServerId, sealedCredentials, devices } = hardware;
  const credentials = sealedCredentials === null ? 'none' : 'sealed';
  return [
    {
      kind: 'HARDWARE',
      id,
      name,
      settings: { name, driver, address, transport, recordingServerId, credentials },
    },
    ...devices.map(device => ({
      kind: 'DEVICE' as const,
      id: device.deviceId as DeviceId,
      name: device.name,
      settings: {
        ...{ name: device.name, type: device.type, enabled: text(device.enabled) },
        recordingEnabled: text(device.recordingEnabled),
        recordingPolicy: JSON.stringify(device.recordingPolicy),
        motionDetection: JSON.stringify(device.motionDetection),
        streams: JSON.stringify(streamsOf(hardware, device)),
      },
    })),
  ];
}

function text(value: number | boolean | null | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}
