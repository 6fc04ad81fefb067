import type { LogPlace } from './log-place.js';

/** Events in one read. */
export const READ_EVENTS_MAX = 5000;
/** Data in one read: a page ends early behind the event that goes over it, so that a page of large events is no flood. */
export const READ_BYTES_MAX = 8 * 1024 * 1024;

/** The log was disposed, or its writer has failed: nothing can be asked of this object any more. */
export class SiteLogClosedError extends Error {
  override readonly name = 'SiteLogClosedError';
  readonly code = 'SITE_LOG_CLOSED';

  constructor(reason = 'the site log was closed', options: { readonly cause?: unknown } = {}) {
    super(reason, options);
  }
}

/** What was asked for was removed from this log, because others hold it. */
export class LogTruncatedError extends Error {
  override readonly name = 'LogTruncatedError';
  readonly code = 'LOG_TRUNCATED';
  /** Reading after this place works. */
  readonly keptAfter: LogPlace;

  constructor(keptAfter: LogPlace) {
    super(
      `events up to ${keptAfter.epoch}/${keptAfter.position} were removed from this log; read after that`,
    );
    this.keptAfter = keptAfter;
  }
}

export function checkReadLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= READ_EVENTS_MAX) return;
  throw new RangeError(`limit ${limit} is not an integer within 1..${READ_EVENTS_MAX}`);
}
