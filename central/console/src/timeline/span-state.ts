import type { Shape, Tone } from '../ui/state-mark';
import { shortTime } from '../ui/time';
import type { Span, SpanState } from './timeline.geometry';

/** The four honest states of a timeline: word, shape and colour of each. */
export const spanStates: Record<SpanState, { word: string; tone: Tone; shape: Shape; means: string }> = {
  HELD: { word: 'Held', tone: 'good', shape: 'disc', means: 'recorded and held here' },
  REMOTE: { word: 'Remote', tone: 'info', shape: 'diamond', means: 'recorded, held at the remote site only' },
  GAP: { word: 'Gap', tone: 'bad', shape: 'cross', means: 'known to have no recording' },
  UNKNOWN: { word: 'Unknown', tone: 'none', shape: 'ring', means: 'the site has not told yet' },
};

const causes: Record<string, string> = {
  RECORDING_CONTINUED: 'recording continued',
  RECORDING_ENABLED: 'recording was switched on',
  RECORDING_DISABLED: 'recording was switched off',
  SERVER_STARTED: 'the recording server had just started',
  SERVER_STOPPED: 'the recording server was stopped',
  SERVER_CRASHED: 'the recording server crashed',
  CAMERA_CONNECTED: 'the camera had just connected',
  CAMERA_DISCONNECTED: 'the camera was not connected',
  CAMERA_FORMAT_SWITCHED: 'the camera switched its format',
  CLOCK_STEPPED: 'the clock was stepped',
  HARDWARE_MOVED: 'the hardware was moved to another recording server',
  DISK_FULL: 'the disk was full',
  DISK_UNAVAILABLE: 'the disk was gone or refused every write',
  OVERFLOW: 'more came than the disk took',
  MEDIA_LOST: 'the recording was damaged or lost',
  MOTION: 'motion began',
  MOTION_STOPPED: 'motion had stopped, and motion alone is recorded',
  EVENT: 'an event began it',
  EVENT_ENDED: 'the event was over, and events alone are recorded',
  MANUAL: 'somebody started recording',
  MANUAL_STOPPED: 'recording by hand had stopped',
  BOOKMARK: 'somebody made a bookmark',
  BOOKMARK_ENDED: 'the time after a bookmark was over',
  RELATED: 'a related device was recorded',
  RELATED_ENDED: 'the related device was recorded no longer',
  POLICY_SET: 'the recording policy was set',
  RECORDING_NOW: 'recorded, not sealed yet',
  NOT_RECORDED: 'nothing was recorded',
  DELETED: 'deleted at the site',
  DAMAGED: 'found damaged at the site',
  LINK_DOWN: 'the link to the site was down',
  RETENTION_AGE: 'deleted at the end of its retention',
  RETENTION_SIZE: 'deleted to stay within the size limit',
};

/** `LINK_DOWN_SINCE 2026-11-20T14:02:00.000Z` carries its instant. */
const LINK_DOWN_SINCE = /^LINK_DOWN_SINCE (\S+)$/;

/** `RECORDING_SERVER_AWAY <id>`: recorded there, and not to be had while it is not connected. */
export const isAway = (cause: string | null): boolean => cause?.startsWith('RECORDING_SERVER_AWAY') ?? false;

export function causeInWords(cause: string): string {
  if (isAway(cause))
    return 'its recording server is not connected: it can be neither played nor retrieved now';
  const since = LINK_DOWN_SINCE.exec(cause)?.[1];
  if (since !== undefined) return `the link to the site has been down since ${shortTime(since)}`;
  return causes[cause] ?? cause.toLowerCase().replaceAll('_', ' ');
}

export function spanInWords(span: Span): string {
  const parts = [`${spanStates[span.state].word}: ${spanStates[span.state].means}`];
  if (span.keyFramesOnly) parts.push('key frames only: it was reduced');
  if (span.cause !== null) parts.push(causeInWords(span.cause));
  if (span.retrievableUntil !== null)
    parts.push(`can be retrieved until ${shortTime(span.retrievableUntil)}`);
  return parts.join(' · ');
}
