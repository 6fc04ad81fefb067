import { createContext, type ReactNode, useContext, useMemo } from 'react';
import { type ApiError, requestAll } from '../session/graphql.client';
import { useQuery } from '../session/use-query';

export type LinkState = 'UP' | 'DOWN' | 'CONNECTING';
export interface Link {
  readonly state: LinkState;
  readonly since: string;
  readonly lastPosition: number;
  readonly headPosition: number | null;
  readonly roundTripMs: number | null;
  readonly clockOffsetMs: number | null;
  readonly cut: boolean | null;
}
export interface StorageStage {
  readonly path: string | null;
  readonly retentionDays: number | null;
  readonly usageBytes: number | null;
  readonly freeBytes: number | null;
  readonly lockedBytes: number | null;
  readonly fullAt: string | null;
  readonly oldest: string | null;
  readonly keyFramesOnly: boolean;
  readonly unavailableBecause: string | null;
}
export interface Storage {
  readonly id: string;
  readonly name: string;
  readonly encrypted: boolean;
  readonly haltedBecause: string | null;
  readonly measuredAt: string | null;
  readonly stages: readonly StorageStage[];
  readonly devices: readonly { readonly id: string }[];
}
export interface RecordingServer {
  readonly id: string;
  readonly name: string;
  readonly recording: boolean;
  readonly haltedBecause: string | null;
  readonly storages: readonly Storage[];
  readonly health: {
    readonly diskSlowSince: string | null;
    readonly overloadedSince: string | null;
  } | null;
}
export interface Site {
  readonly id: string;
  readonly name: string;
  /** Less is known of it than once was: copies of recordings are kept for what it may have locked. */
  readonly awaited: boolean;
  readonly parent: { readonly id: string } | null;
  readonly link: Link | null;
  readonly log: {
    readonly epoch: number;
    readonly size: number;
    readonly root: string;
    readonly verifiedAt: string | null;
  };
  readonly recordingServers: readonly RecordingServer[];
}
export type DeviceType = 'CAMERA' | 'MICROPHONE' | 'SPEAKER' | 'METADATA' | 'INPUT' | 'OUTPUT';
export interface OfferedStream {
  readonly name: string;
  readonly address: string;
  readonly encoding: string;
  readonly width: number;
  readonly height: number;
}
/** What the camera says that it can. */
export interface Capabilities {
  readonly manufacturer: string;
  readonly model: string;
  readonly streams: readonly OfferedStream[];
  readonly ptz: boolean;
  readonly outputs: readonly string[];
  readonly speaker: boolean;
}
export interface Hardware {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly driver: 'RTSP' | 'ONVIF' | 'MJPEG' | 'SIMULATED' | null;
  readonly capabilities: Capabilities | null;
  readonly recordingServer: { readonly id: string };
  readonly connection: 'CONNECTED' | 'LOST' | 'UNKNOWN';
  readonly connectionSince: string | null;
  readonly connectionDetail: string | null;
}
export interface DeviceStreams {
  readonly streams: readonly { readonly name: string; readonly address: string }[];
  readonly recorded: string;
  readonly live: string;
  /** Null: motion is looked for in the recorded one. */
  readonly motion: string | null;
}
export interface Device {
  readonly id: string;
  readonly name: string;
  readonly type: DeviceType;
  readonly enabled: boolean;
  readonly recordingEnabled: boolean;
  /** Null: it is no camera. */
  readonly streams: DeviceStreams | null;
  readonly site: { readonly id: string };
  readonly hardware: Hardware;
  /** Null: its recording server has said nothing yet. */
  readonly health: DeviceHealth | null;
}
export interface DeviceHealth {
  readonly recording: boolean;
  readonly recordingChangedAt: string | null;
  readonly recordingCause: string | null;
  readonly motionSince: string | null;
  readonly overflowSince: string | null;
  readonly overflowCause: string | null;
}

export interface SiteDirectory {
  readonly sites: readonly Site[];
  readonly devices: readonly Device[];
  readonly siteById: ReadonlyMap<string, Site>;
  readonly deviceById: ReadonlyMap<string, Device>;
  /** False until the first answer. */
  readonly known: boolean;
  readonly error: ApiError | undefined;
}

const PAGE = 'pageInfo { hasNextPage endCursor }';
const SITES = `query Sites($after: Cursor) { sites(first: 500, after: $after) { edges { cursor node {
  id name awaited parent { id }
  link { state since lastPosition headPosition roundTripMs clockOffsetMs cut }
  log { epoch size root verifiedAt }
  recordingServers { id name recording haltedBecause health { diskSlowSince overloadedSince }
    storages { id name encrypted haltedBecause measuredAt devices { id }
      stages { path retentionDays usageBytes freeBytes lockedBytes fullAt oldest keyFramesOnly unavailableBecause } } }
} } ${PAGE} } }`;
const DEVICES = `query Devices($after: Cursor) { devices(first: 500, after: $after) { edges { cursor node {
  id name type enabled recordingEnabled site { id }
  health { recording recordingChangedAt recordingCause motionSince overflowSince overflowCause } streams { streams { name address } recorded live motion }
  hardware { id name address driver connection connectionSince connectionDetail recordingServer { id }
    capabilities { manufacturer model streams { name address encoding width height } ptz outputs speaker } }
} } ${PAGE} } }`;

const Directory = createContext<SiteDirectory>({
  sites: [],
  devices: [],
  siteById: new Map(),
  deviceById: new Map(),
  known: false,
  error: undefined,
});

export function SiteDirectoryProvider({ children }: { readonly children: ReactNode }) {
  const sites = useQuery('sites', () => requestAll<Site>(SITES, 'sites'), ['sites']);
  const devices = useQuery('devices', () => requestAll<Device>(DEVICES, 'devices'), ['devices']);
  const directory = useMemo<SiteDirectory>(
    () => ({
      sites: sites.data ?? [],
      devices: devices.data ?? [],
      siteById: new Map(sites.data?.map(site => [site.id, site])),
      deviceById: new Map(devices.data?.map(device => [device.id, device])),
      known: sites.data !== undefined && devices.data !== undefined,
      error: sites.error ?? devices.error,
    }),
    [sites.data, devices.data, sites.error, devices.error],
  );
  return <Directory value={directory}>{children}</Directory>;
}

export const useSiteDirectory = (): SiteDirectory => useContext(Directory);
