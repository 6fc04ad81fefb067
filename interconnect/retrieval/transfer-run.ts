import {
  backOffCeilingMs,
  type MediaSource,
  type RetrievalCommand,
  type SegmentIntake,
  type Transfer,
} from '@holdfast/core';
import type { SegmentId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { RetrievalEntry, RunningTransfer, StopCause } from './retrieval-entry.js';
import { executeTransfer, type TransferEnd } from './retrieval-executor.js';
import type { SourceSegment } from './retrieval-facts.js';

/** Progress is written to the log after this long or so many segments: a month of one camera is then some 800 events. */
const PROGRESS_MS = 10_000;
const PROGRESS_SEGMENTS = 50;
/** First bound of the random wait after an interruption; it doubles with each one that brought nothing. */
const RETRY = { firstMs: 1_000, mostMs: 60_000 };

export interface TransferRunOptions {
  readonly entry: RetrievalEntry;
  readonly transfer: Transfer;
  readonly segments: ReadonlyMap<SegmentId, SourceSegment>;
  readonly source: MediaSource;
  readonly intake: SegmentIntake;
  readonly now: () => number;
  readonly random: () => number;
  readonly actor: string;
  readonly logger: Logger;
  readonly pace: (byteCount: number, signal: AbortSignal) => Promise<void>;
  readonly onProgress: () => void;
  readonly onEnded: () => void;
}

/** Begins the transfer, and has the log know of it as it goes and as it ends. */
export function runTransfer(options: TransferRunOptions): RunningTransfer {
  const abort = new AbortController();
  let stopCause: StopCause | null = null;
  return {
    transfer: options.transfer,
    stop: cause => {
      stopCause ??= cause;
      abort.abort();
    },
    stopped: () => stopCause,
    // Begun a turn later, so that the entry knows of the run before anything of it happens.
    ended: Promise.resolve()
      .then(() => carryOut(options, abort.signal, () => stopCause))
      .catch((error: unknown) => {
        options.logger.error({ err: error, transfer: options.transfer }, 'retrieval could not be recorded');
        backOff(options, 'SOURCE_BUSY');
      })
      .finally(options.onEnded),
  };
}

async function carryOut(
  options: TransferRunOptions,
  signal: AbortSignal,
  stopCause: () => StopCause | null,
): Promise<void> {
  const { entry, transfer, segments, source, intake, logger } = options;
  const { retrievalId } = transfer;
  let reporting: Promise<void> = Promise.resolve();
  const reportSoon = () => {
    reporting = reporting
      .then(() => report(options))
      .catch((error: unknown) => {
        logger.error({ err: error, retrievalId }, 'progress could not be recorded; trying again later');
      });
  };
  const timer = setInterval(reportSoon, PROGRESS_MS);
  let end: TransferEnd;
  try {
    end = await executeTransfer({
      transfer,
      segments,
      source,
      intake,
      signal,
      onBytes: byteCount => {
        entry.transferredBytes += byteCount;
        entry.interruptions = 0;
        options.onProgress();
      },
      onSegment: segment => {
        entry.onRetrieved(segment);
        options.onProgress();
        if (entry.unreported.size >= PROGRESS_SEGMENTS) reportSoon();
      },
      onMissing: (segmentId, cause) => entry.unavailable.set(segmentId, cause),
      onPostponed: (segmentId, because) => {
        logger.info({ retrievalId, segmentId, because }, 'a segment is tried again later');
        return entry.postpone(segments.get(segmentId)!, because, options.now());
      },
      pace: options.pace,
    });
  } catch (error) {
    logger.error({ err: error, retrievalId }, 'the media database failed; the transfer is tried again');
    end = { end: 'INTERRUPTED', cause: 'SOURCE_BUSY', detail: String(error) };
  } finally {
    clearInterval(timer);
  }
  await reporting;
  await report(options);
  logger.info({ retrievalId, deviceId: transfer.deviceId, end, stopCause: stopCause() }, 'transfer ended');
  await recordEnd(options, end, stopCause());
}

async function report({ entry, actor }: TransferRunOptions): Promise<void> {
  while (entry.unreported.size > 0) {
    const segments = [...entry.unreported.values()].slice(0, PROGRESS_SEGMENTS);
    const { transferredBytes } = entry;
    // Refused only when it was reported before, or when the retrieval has ended meanwhile: either way it is done with.
    await entry.process.execute([{ type: 'ProgressRetrieval', segments, transferredBytes }], actor);
    for (const { segmentId } of segments) entry.unreported.delete(segmentId);
  }
}

async function recordEnd(
  options: TransferRunOptions,
  end: TransferEnd,
  stopCause: StopCause | null,
): Promise<void> {
  const command = commandOfEnd(end, stopCause);
  if (end.end === 'INTERRUPTED') backOff(options, end.cause);
  if (command !== null) await options.entry.process.execute([command], options.actor);
}

/** Null: it goes on with the next plan, or somebody else says how it ends. */
function commandOfEnd(end: TransferEnd, stopCause: StopCause | null): RetrievalCommand | null {
  switch (end.end) {
    case 'DONE':
      return null;
    case 'ABORTED':
      if (stopCause === null || stopCause === 'CANCELLED') return null;
      return { type: 'InterruptRetrieval', cause: stopCause };
    case 'INTERRUPTED':
      return { type: 'InterruptRetrieval', cause: end.cause };
    case 'FAILED':
      return { type: 'FailRetrieval', cause: end.cause, detail: end.detail.slice(0, 1000) };
  }
}

/** A link that was lost says by itself when it is back: only one that brings nothing again and again has to wait. */
function backOff({ entry, now, random }: TransferRunOptions, cause: 'LINK_LOST' | 'SOURCE_BUSY'): void {
  const ceilingMs = backOffCeilingMs(RETRY, entry.interruptions);
  const waitMsMax = cause === 'LINK_LOST' ? ceilingMs - RETRY.firstMs : ceilingMs;
  entry.interruptions += 1;
  entry.notBeforeMs = now() + random() * waitMsMax;
}
