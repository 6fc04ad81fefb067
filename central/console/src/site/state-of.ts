import type { Shape, Tone } from '../ui/state-mark';
import { duration, shortTime } from '../ui/time';
import type { Device, Link, Site } from './site-directory';

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
  return stateOfRecording(device, site, since);
}

function stateOfRecording(device: Device, site: Site | undefined, since: string): ShownState {
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
  return { tone: 'good', shape: 'disc', word: 'Recording', detail: `Connected${since}, recording` };
}
