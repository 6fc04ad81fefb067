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
  MEDIA_LOST: 'the recording was damaged or lost',
  LINK_DOWN: 'the link to the site was down',
  RETENTION_AGE: 'deleted at the end of its retention',
  RETENTION_SIZE: 'deleted to stay within the size limit',
};

export const causeInWords = (cause: string): string =>
  causes[cause] ?? cause.toLowerCase().replaceAll('_', ' ');

export function spanInWords(span: Span): string {
  const parts = [`${spanStates[span.state].word}: ${spanStates[span.state].means}`];
  if (span.cause !== null && span.state !== 'HELD') parts.push(causeInWords(span.cause));
  if (span.retrievableUntil !== null)
    parts.push(`can be retrieved until ${shortTime(span.retrievableUntil)}`);
  return parts.join(' · ');
}
