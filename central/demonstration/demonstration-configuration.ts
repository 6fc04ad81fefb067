import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder, serverNameOfRole } from '@holdfast/interconnect';
import { stringify } from 'yaml';
import { logPublicKeyIn } from '../cli/init.command.js';
import {
  type DemonstrationPlan,
  LINK_CONTROL_TOKEN_FILE,
  type PlannedCamera,
  type PlannedSite,
} from './demonstration-plan.js';

/** The sites of the demonstration try again soon: people watch a link heal. */
const RECONNECT_SECONDS_MAX = 2;
const HEARTBEAT_SECONDS = 2;
/** A try-out must not eat a small disk, nor lose its recordings because the disk is small. */
const storage = { freeGigabytesLow: 1 };
/** Of a segment there are so many reports, so that what is recorded is soon on the timeline. */
const REPORTS_PER_SEGMENT = 3;

export interface DemonstrationPorts {
  readonly http: number;
  readonly listen: number;
  readonly cameras: number;
}

/** Writes `central/central.yaml`; relative paths in it start at its own folder. */
export function writeCentralConfiguration(
  dataDirectory: string,
  plan: DemonstrationPlan,
  ports: DemonstrationPorts,
): string {
  const { central } = plan;
  return writeConfiguration(path.join(dataDirectory, 'central', 'central.yaml'), {
    role: 'central',
    site: { id: central.id, name: central.name },
    data: '.',
    credentials: './credentials',
    listen: { port: ports.listen, heartbeatSeconds: HEARTBEAT_SECONDS },
    http: { port: ports.http },
    recordingServers: [{ id: central.recordingServer, name: 'Central recording server', ...storage }],
    children: plan.sites.map(site => ({
      id: site.id,
      name: site.name,
      certificate: path.join('..', site.directory, 'credentials', 'server.crt.pem'),
      logPublicKey: logPublicKeyIn(path.join(dataDirectory, site.directory)),
    })),
    emulatedLinks: { url: plan.linkControlUrl, tokenFile: path.join('..', LINK_CONTROL_TOKEN_FILE) },
  });
}

export function writeSiteConfiguration(
  dataDirectory: string,
  plan: DemonstrationPlan,
  site: PlannedSite,
  options: { readonly linkPort: number; readonly camerasPort: number; readonly segmentSeconds: number },
): string {
  const { linkPort, camerasPort, segmentSeconds: segmentSecondsMax } = options;
  const recording = { ...storage, segmentSecondsMax, reportSeconds: segmentSecondsMax / REPORTS_PER_SEGMENT };
  return writeConfiguration(path.join(dataDirectory, site.directory, 'site.yaml'), {
    role: 'site',
    site: { id: site.id, name: site.name },
    data: '.',
    credentials: './credentials',
    parent: {
      siteId: plan.central.id,
      port: linkPort,
      serverName: serverNameOfRole('central'),
      logPublicKey: logPublicKeyIn(path.join(dataDirectory, 'central')),
      reconnectSecondsMax: RECONNECT_SECONDS_MAX,
    },
    recordingServers: site.recordingServers.map(server => ({ ...server, ...recording })),
    cameras: site.cameras.map(camera => cameraConfiguration(camera, camerasPort)),
  });
}

function cameraConfiguration(camera: PlannedCamera, camerasPort: number) {
  const { hardwareId, name, recordingServer, source } = camera;
  if ('clip' in source) {
    const address = `rtsp://127.0.0.1:${camerasPort}/${source.clip}`;
    return { hardwareId, name, address, recordingServer, microphone: true };
  }
  const url = new URL(source.url);
  const credentials = url.username
    ? { userName: decodeURIComponent(url.username), password: decodeURIComponent(url.password) }
    : {};
  url.username = '';
  url.password = '';
  return { hardwareId, name, address: url.href, recordingServer, ...credentials };
}

function writeConfiguration(file: string, configuration: object): string {
  makeFolder(path.dirname(file));
  const header = '# Written by the demonstration at every start; a real installation keeps its own.\n';
  writeFileSync(file, header + stringify(configuration), { mode: 0o600 });
  return file;
}
