import { setTimeout as wait } from 'node:timers/promises';
import type { Fragment, InitSegment } from '@holdfast/core';
import type { CameraTransport } from '@holdfast/schema';
import {
  CAMERA_LIMITS,
  type CameraCredentials,
  type CameraLimits,
  type DeviceSignal,
  type RunCameraSession,
} from '../driver.js';
import { runCameraSession } from './camera-session.js';

/** Longer than anything in these tests takes on a loaded machine. */
const CONDITION_TIMEOUT_MS = 40_000;

export interface RecordedRun {
  readonly init: InitSegment;
  readonly recorded: Fragment[];
  readonly live: Fragment[];
  ended: string | null;
}

/** A camera session that runs against a real camera and remembers what its sink was told. */
export class RecordedSession implements AsyncDisposable {
  readonly calls: string[] = [];
  readonly runs: RecordedRun[] = [];
  readonly losses: { readonly cause: string; readonly detail: string }[] = [];
  readonly signals: DeviceSignal[] = [];
  connectedCount = 0;
  lostAccessUnits = 0;
  readonly #controller = new AbortController();
  readonly #ended: Promise<void>;

  constructor(options: {
    readonly address: string;
    /** Of the driver; that of RTSP unless told otherwise. */
    readonly run?: RunCameraSession;
    readonly credentials?: CameraCredentials;
    readonly limits?: Partial<CameraLimits>;
    readonly transport?: CameraTransport;
    readonly tlsAuthorities?: readonly string[];
  }) {
    const run = options.run ?? runCameraSession;
    this.#ended = run(
      {
        address: options.address,
        credentials: options.credentials ?? null,
        transport: options.transport ?? 'AUTO',
        tlsAuthorities: options.tlsAuthorities ?? [],
        now: Date.now,
        random: () => 0.01,
        limits: { ...CAMERA_LIMITS, refusedBackOffMsMin: 20, backOffMsFirst: 200, ...options.limits },
        sink: {
          connected: () => {
            this.connectedCount += 1;
            this.calls.push('connected');
          },
          format: init => {
            this.calls.push('format');
            this.runs.push({ init, recorded: [], live: [], ended: null });
          },
          liveFragment: fragment => this.#run().live.push(fragment),
          recordedFragment: fragment => this.#run().recorded.push(fragment),
          runEnded: cause => {
            this.calls.push(cause);
            this.#run().ended = cause;
          },
          accessUnitsLost: count => {
            this.lostAccessUnits += count;
          },
          deviceSignal: found => this.signals.push(found),
          connectionLost: (cause, detail) => {
            this.calls.push(cause);
            this.losses.push({ cause, detail });
          },
        },
      },
      this.#controller.signal,
    );
  }

  get recorded(): readonly Fragment[] {
    return this.runs.flatMap(run => run.recorded);
  }

  get live(): readonly Fragment[] {
    return this.runs.flatMap(run => run.live);
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = performance.now() + CONDITION_TIMEOUT_MS;
    while (!condition()) {
      if (performance.now() > deadline)
        throw new Error(
          `${what}: not within ${CONDITION_TIMEOUT_MS} ms; so far ${this.calls.join(' ')}, ${this.recorded.length} recorded, ${this.live.length} live, ${JSON.stringify(this.losses)}`,
        );
      await wait(5);
    }
  }

  async stop(reason?: string): Promise<void> {
    this.#controller.abort(reason);
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #run(): RecordedRun {
    const run = this.runs.at(-1);
    if (run === undefined || run.ended !== null) throw new Error('a fragment outside of a run');
    return run;
  }
}
