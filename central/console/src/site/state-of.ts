import { causeInWords } from '../timeline/span-state';
import type { Shape, Tone } from '../ui/state-mark';
import { duration, shortTime } from '../ui/time';
import type { Device, Link, RecordingServer, Site } from './site-directory';

/** A state as it is shown: colour, shape, word, and what else is to be said about it. */
export interface ShownState {
  readonly tone: Tone;
  readonly shape: Shape;
  readonly word: string;
  readonly detail: string;
}

export function stateOfLink(link: Link, nowMs: number): ShownState {
  const since = shortTime(link.since, nowMs);
  const lasting = duration(nowMs - Date.parse(link.since));
  if (link.state === 'UP')
    return { tone: 'good', shape: 'disc', word: 'Up', detail: `Up since ${since} (${lasting})` };
  if (link.state === 'CONNECTING')
    return { tone: 'warn', shape: 'half', word: 'Connecting', detail: `Connecting since ${since}` };
  return { tone: 'bad', shape: 'triangle', word: 'Down', detail: `Down since ${since} (${lasting})` };
}

/** Events that the site has and this central does not hold yet; null when nobody knows, as while the link is down. */
export function lagOf(link: Link): number | null {
  return link.headPosition === null || link.state === 'DOWN'
    ? null
    : Math.max(0, link.headPosition - link.lastPosition);
}

/** Whether a device gives a picture, and if not, why, in words. */
export function stateOfDevice(device: Device, site: Site | undefined, nowMs: number): ShownState {
  const { hardware } = device;
  if (!device.enabled)
    return { tone: 'none', shape: 'ring', word: 'Disabled', detail: 'Disabled in the configuration' };
  if (site?.link?.state === 'DOWN')
    return {
      tone: 'warn',
      shape: 'diamond',
      word: 'Link down',
      detail: `The link to ${site.name} has been down since ${shortTime(site.link.since, nowMs)}; what the device does is not known`,
    };
  const since =
    hardware.connectionSince === null ? '' : ` since ${shortTime(hardware.connectionSince, nowMs)}`;
  if (hardware.connection === 'LOST')
    return {
      tone: 'bad',
      shape: 'cross',
      word: 'Lost',
      detail: `Connection lost${since}: ${hardware.connectionDetail ?? 'no reason given'}`,
    };
  if (hardware.connection === 'UNKNOWN')
    return {
      tone: 'none',
      shape: 'ring',
      word: 'Unknown',
      detail: 'The site has not said whether it is connected',
    };
  return stateOfRecording(device, site, { since, nowMs });
}

function stateOfRecording(
  device: Device,
  site: Site | undefined,
  { since, nowMs }: { readonly since: string; readonly nowMs: number },
): ShownState {
  const server = site?.recordingServers.find(item => item.id === device.hardware.recordingServer.id);
  if (!device.recordingEnabled)
    return {
      tone: 'info',
      shape: 'ring',
      word: 'Not recording',
      detail: 'Connected; recording is switched off',
    };
  if (server !== undefined && !server.recording) {
    const why = server.haltedBecause ?? 'no reason given';
    return {
      tone: 'bad',
      shape: 'square',
      word: 'Halted',
      detail: `${server.name} is not recording: ${why}`,
    };
  }
  return stateOfHealth(device, server, { since, nowMs });
}

const overflowCauses: Record<string, string> = {
  DISK_SLOW: 'the disk does not keep up',
  DISK_UNAVAILABLE: 'the disk refuses writes',
  CAMERA_FLOODS: 'the camera sends too much',
};

/** What is not as it should be, though recording goes on; then what is recorded, and why. */
function stateOfHealth(
  { health }: Device,
  server: RecordingServer | undefined,
  { since, nowMs }: { readonly since: string; readonly nowMs: number },
): ShownState {
  const words = (at: string | null | undefined) => (at == null ? '' : ` since ${shortTime(at, nowMs)}`);
  if (health?.overflowSince != null) {
    const why = overflowCauses[health.overflowCause ?? ''] ?? 'no reason given';
    const detail = `Parts of the recording are missing${words(health.overflowSince)}: ${why}`;
    return { tone: 'bad', shape: 'triangle', word: 'Overflow', detail };
  }
  if (server?.health?.overloadedSince != null) {
    const detail = `Recording; ${server.name} does not keep up${words(server.health.overloadedSince)}, and sheds viewers`;
    return { tone: 'warn', shape: 'triangle', word: 'Recording', detail };
  }
  if (server?.health?.diskSlowSince != null) {
    const detail = `Recording; the disk of ${server.name} is slow${words(server.health.diskSlowSince)}`;
    return { tone: 'warn', shape: 'diamond', word: 'Recording', detail };
  }
  const motion = health?.motionSince != null ? `; motion${words(health.motionSince)}` : '';
  const why = health?.recordingCause == null ? '' : `: ${causeInWords(health.recordingCause)}`;
  if (health !== null && !health.recording) {
    const detail = `Connected${since}, not recording${words(health.recordingChangedAt)}${why}${motion}`;
    return { tone: 'info', shape: 'half', word: 'Waiting', detail };
  }
  const detail = `Connected${since}, recording${why}${motion}`;
  return { tone: 'good', shape: 'disc', word: motion === '' ? 'Recording' : 'Motion', detail };
}
