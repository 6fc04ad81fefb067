import { setTimeout as wait } from 'node:timers/promises';
import { type AssembledStream, backOffMs } from '@holdfast/core';
import { type ConnectionLossCause, RecordingCause } from '@holdfast/schema';
import { CAMERA_LIMITS, type CameraLimits, type CameraLoss, type CameraSessionOptions } from './driver.js';

/** A connection that lasted so long was a good one: the next attempt starts from the first back-off again. */
const STABLE_AFTER_MS = 10_000;

/** With full jitter, so that cameras lost together do not return together. */
function reconnectWaitMs(
  failure: { readonly count: number; readonly cause: ConnectionLossCause },
  limits: CameraLimits,
  random: number,
): number {
  if (failure.cause === 'UNAUTHORIZED')
    return (
      limits.refusedBackOffMsMin + random * Math.max(0, limits.backOffMsMax - limits.refusedBackOffMsMin)
    );
  return backOffMs({ firstMs: limits.backOffMsFirst, mostMs: limits.backOffMsMax }, failure.count, random);
}

export interface ConnectionAttempt {
  readonly limits: CameraLimits;
  readonly output: AssembledStream;
  /** Why the open run ends when the connection does. */
  readonly endCause: () => RecordingCause;
}

/**
 * Connects, reports the loss, waits, and connects again, until the signal aborts. `connectOnce` streams until the camera is lost,
 * and returns `null` when it was aborted; what it throws is a fault.
 */
export async function keepConnected(
  options: CameraSessionOptions,
  signal: AbortSignal,
  connectOnce: (attempt: ConnectionAttempt) => Promise<CameraLoss | null>,
): Promise<void> {
  const limits = options.limits ?? CAMERA_LIMITS;
  let failureCount = 0;
  let reportedCause: ConnectionLossCause | null = null;
  while (!signal.aborted) {
    const state = { connected: false };
    const beganAt = performance.now();
    const loss = await connectOnce({
      limits,
      output: outputTo(options, state),
      endCause: () => endCauseOf(signal),
    });
    if (loss === null) return;
    if (state.connected || loss.lossCause !== reportedCause) {
      reportedCause = loss.lossCause;
      options.sink.connectionLost(loss.lossCause, loss.message.slice(0, 1000), options.now());
    }
    const stable = state.connected && performance.now() - beganAt >= STABLE_AFTER_MS;
    const failure = { count: stable ? 0 : failureCount, cause: loss.lossCause };
    const waitMs = reconnectWaitMs(failure, limits, options.random());
    failureCount = stable ? 1 : failureCount + 1;
    // An abort ends the wait, and with it the loop.
    await wait(waitMs, undefined, { signal }).catch(() => {});
  }
}

function endCauseOf(signal: AbortSignal): RecordingCause {
  if (!signal.aborted) return 'CAMERA_DISCONNECTED';
  const given = RecordingCause.safeParse(signal.reason);
  return given.success ? given.data : 'SERVER_STOPPED';
}

function outputTo(options: CameraSessionOptions, state: { connected: boolean }): AssembledStream {
  const { sink, now } = options;
  return {
    format: init => {
      if (!state.connected) {
        state.connected = true;
        sink.connected(now());
      }
      sink.format(init);
    },
    liveFragment: fragment => sink.liveFragment(fragment),
    recordedFragment: fragment => sink.recordedFragment(fragment),
    runEnded: (cause, atMs) => sink.runEnded(cause, atMs),
    accessUnitsLost: count => sink.accessUnitsLost(count, now()),
  };
}
