import type { DeviceId, HardwareId, HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { DeviceSignal } from '../drivers/driver.js';

/** A door opens a few times a minute. What a loose contact sends beyond this is no news, and must not fill a log. */
const REPORTS_MAX = 60;
const WITHIN_MS = 60_000;
/** A camera has a handful of inputs. */
const INPUTS_MAX = 256;

export interface InputReportsOptions {
  readonly hardwareId: HardwareId;
  readonly deviceId: DeviceId;
  readonly recordingServerId: RecordingServerId;
  readonly report: (stream: string, event: HoldfastEvent) => void;
  readonly logger: Logger;
}

/** Tells the log what the inputs of one camera do: each change once, and no more of them than can be news. */
export class InputReports {
  readonly #options: InputReportsOptions;
  readonly #active = new Map<string, boolean>();
  readonly #reportedAtMs: number[] = [];
  #isWarned = false;

  constructor(options: InputReportsOptions) {
    this.#options = options;
  }

  take({ source, active }: DeviceSignal, atMs: number): void {
    if ((this.#active.get(source) ?? false) === active) return;
    if (!this.#active.has(source) && this.#active.size >= INPUTS_MAX) return;
    if (!this.#isNews(atMs)) return;
    this.#active.set(source, active);
    const { hardwareId, deviceId, recordingServerId, report } = this.#options;
    const data = { hardwareId, deviceId, recordingServerId, atMs: Math.round(atMs), input: source };
    report(`hardware-signals-${hardwareId}`, {
      type: active ? 'InputActivated' : 'InputDeactivated',
      data,
    });
  }

  #isNews(atMs: number): boolean {
    const recent = this.#reportedAtMs;
    // Also those of before a clock was set back.
    while (recent.length > 0 && Math.abs(atMs - recent[0]!) >= WITHIN_MS) recent.shift();
    if (recent.length < REPORTS_MAX) {
      recent.push(atMs);
      this.#isWarned = false;
      return true;
    }
    const { hardwareId, logger } = this.#options;
    if (!this.#isWarned) {
      logger.warn(
        { hardwareId },
        `more than ${REPORTS_MAX} changes of inputs in a minute: the rest is left out`,
      );
    }
    this.#isWarned = true;
    return false;
  }
}
