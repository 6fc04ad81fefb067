import type { DemonstrationNetwork } from './demonstration-network.js';

export interface LinkView {
  readonly state: 'UP' | 'DOWN' | 'CONNECTING';
  readonly since: string;
  readonly lastPosition: number;
  readonly headPosition: number | null;
  readonly cut: boolean | null;
}

export interface CameraView {
  readonly id: string;
  readonly name: string;
  readonly hardware: { readonly id: string; readonly connection: string };
  readonly recordingServer: { readonly id: string; readonly name: string };
}

export interface SpanView {
  readonly from: string;
  readonly to: string;
  readonly state: 'HELD' | 'REMOTE' | 'GAP' | 'UNKNOWN';
  readonly cause: string | null;
  readonly retrievableUntil: string | null;
}

export interface RetrievalView {
  readonly id: string;
  readonly state: string;
  readonly trigger: string;
  readonly from: string;
  readonly to: string;
  readonly device: { readonly id: string };
  readonly transferredBytes: number;
  readonly detail: string | null;
}

export async function linkOf(network: DemonstrationNetwork, siteId: string): Promise<LinkView> {
  const { site } = await network.query<{ site: { link: LinkView } }>(
    'query ($id: ID!) { site(id: $id) { link { state since lastPosition headPosition cut } } }',
    { id: siteId },
  );
  return site.link;
}

export async function camerasOf(
  network: DemonstrationNetwork,
  siteId: string,
): Promise<readonly CameraView[]> {
  const { devices } = await network.query<{ devices: { edges: readonly { node: CameraView }[] } }>(
    `query ($site: ID!) {
      devices(siteId: $site, type: CAMERA, first: 50) {
        edges { node { id name hardware { id connection } recordingServer { id name } } }
      }
    }`,
    { site: siteId },
  );
  return devices.edges.map(edge => edge.node);
}

export async function timelineOf(
  network: DemonstrationNetwork,
  deviceId: string,
  span: { readonly from: number; readonly to: number },
): Promise<readonly SpanView[]> {
  const { timeline } = await network.query<{ timeline: readonly { spans: readonly SpanView[] }[] }>(
    `query ($devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
      timeline(deviceIds: $devices, from: $from, to: $to) { deviceId spans { from to state cause retrievableUntil } }
    }`,
    { devices: [deviceId], from: new Date(span.from).toISOString(), to: new Date(span.to).toISOString() },
  );
  return timeline[0]!.spans;
}

export async function retrievalsOf(
  network: DemonstrationNetwork,
  siteId: string,
): Promise<readonly RetrievalView[]> {
  const { retrievals } = await network.query<{ retrievals: { edges: readonly { node: RetrievalView }[] } }>(
    `query ($site: ID!) {
      retrievals(filter: { siteId: $site }, first: 100) {
        edges { node { id state trigger from to device { id } transferredBytes detail } }
      }
    }`,
    { site: siteId },
  );
  return retrievals.edges.map(edge => edge.node);
}

/** Milliseconds of the window that are in one of the states. */
export function millisecondsIn(spans: readonly SpanView[], ...states: readonly SpanView['state'][]): number {
  return spans
    .filter(span => states.includes(span.state))
    .reduce((sum, span) => sum + Date.parse(span.to) - Date.parse(span.from), 0);
}
