import type { ManualRecordingEvent } from '@holdfast/schema';
import { accept, type Decider, refuse } from '../decider/decider.js';
import type { SiteCommandOf, SiteCommandRefusal } from '../site-command/site-command.js';

/** The last manual recording of a device; null before the first, and after it was stopped. */
export type ManualRecording = { readonly fromMs: number; readonly untilMs: number } | null;

export type ManualRecordingCommand = (SiteCommandOf<'StartRecording'> | SiteCommandOf<'StopRecording'>) & {
  readonly deviceKnown: boolean;
  readonly nowMs: number;
};

export type ManualRecordingRefusal = SiteCommandRefusal<'DEVICE_NOT_FOUND' | 'NOT_RECORDED_MANUALLY'>;

/** Starting what is started prolongs it: whoever asks last says when it stops. */
export const manualRecordingDecider: Decider<
  ManualRecording,
  ManualRecordingCommand,
  ManualRecordingEvent,
  ManualRecordingRefusal
> = {
  initialState: null,
  decide(command, recording) {
    const { deviceId, nowMs } = command;
    if (!command.deviceKnown) {
      return refuse({ code: 'DEVICE_NOT_FOUND', message: `this site has no device ${deviceId}` });
    }
    const isRunning = recording !== null && recording.untilMs > nowMs;
    if (command.kind === 'StartRecording') {
      const fromMs = isRunning ? recording.fromMs : nowMs;
      const data = { deviceId, fromMs, untilMs: nowMs + command.durationMs };
      return accept({ type: 'ManualRecordingStarted', data });
    }
    if (isRunning) return accept({ type: 'ManualRecordingStopped', data: { deviceId, atMs: nowMs } });
    return refuse({
      code: 'NOT_RECORDED_MANUALLY',
      message: `device ${deviceId} is not being recorded manually: there is nothing to stop`,
    });
  },
  evolve(_, event) {
    if (event.type === 'ManualRecordingStopped') return null;
    const { fromMs, untilMs } = event.data;
    return { fromMs, untilMs };
  },
};
