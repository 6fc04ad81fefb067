import { request } from '../session/graphql.client';
import type { DeviceType } from '../site/site-directory';

export interface ConfiguredDevice {
  readonly id: string;
  readonly name: string;
  readonly type: DeviceType;
  readonly enabled: boolean;
  readonly recordingEnabled: boolean;
}
export interface ConfiguredHardware {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly recordingServerId: string;
  readonly devices: readonly ConfiguredDevice[];
}
export interface ConfiguredRecordingServer {
  readonly id: string;
  readonly name: string;
  readonly retentionDays: number | null;
  readonly byteLengthMax: number | null;
}
/** What a site was set up to be at a moment. */
export interface Configuration {
  readonly name: string;
  readonly epoch: number;
  readonly position: number;
  readonly unchangedSince: string | null;
  /** How far the site's log has arrived at the central. */
  readonly knownUntil: string | null;
  readonly unreadableStreamCount: number;
  readonly children: readonly { readonly id: string; readonly name: string }[];
  readonly recordingServers: readonly ConfiguredRecordingServer[];
  readonly hardware: readonly ConfiguredHardware[];
}

export type ChangeKind = 'ADDED' | 'REMOVED' | 'ALTERED';
export interface ConfigurationChange {
  readonly change: ChangeKind;
  readonly kind: 'SITE' | 'CHILD_SITE' | 'RECORDING_SERVER' | 'HARDWARE' | 'DEVICE';
  readonly id: string;
  readonly name: string;
  /** Of what was altered; null for what was added or removed. */
  readonly setting: string | null;
  readonly before: string | null;
  readonly after: string | null;
  /** The last event that brought it about. */
  readonly event: {
    readonly id: string;
    readonly epoch: number;
    readonly position: number;
    readonly recordedAt: string;
    readonly actor: string;
  };
}

const CONFIGURATION = `query Configuration($site: ID!, $asOf: DateTime) { configuration(siteId: $site, asOf: $asOf) {
  name epoch position unchangedSince knownUntil unreadableStreamCount children { id name }
  recordingServers { id name retentionDays byteLengthMax }
  hardware { id name address recordingServerId devices { id name type enabled recordingEnabled } }
} }`;
const CHANGES = `query ConfigurationDiff($site: ID!, $from: DateTime!, $to: DateTime!) {
  configurationDiff(siteId: $site, from: $from, to: $to) {
    changes { change kind id name setting before after event { id epoch position recordedAt actor } }
  }
}`;

/** `atMs` null: now. */
export async function askConfiguration(siteId: string, atMs: number | null): Promise<Configuration> {
  const asOf = atMs === null ? null : new Date(atMs).toISOString();
  const answer = await request<{ configuration: Configuration }>(CONFIGURATION, { site: siteId, asOf });
  return answer.configuration;
}

/** What differs at the second moment from the first, the newest change first. `toMs` null: now. */
export async function askChanges(
  siteId: string,
  fromMs: number,
  toMs: number | null,
): Promise<readonly ConfigurationChange[]> {
  const [from, to] = [new Date(fromMs).toISOString(), new Date(toMs ?? Date.now()).toISOString()];
  const answer = await request<{ configurationDiff: { changes: readonly ConfigurationChange[] } }>(CHANGES, {
    ...{ site: siteId, from, to },
  });
  return answer.configurationDiff.changes.toSorted(
    ({ event: left }, { event: right }) => right.epoch - left.epoch || right.position - left.position,
  );
}
