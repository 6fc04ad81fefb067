import type { HoldfastEvent, SiteId } from '@holdfast/schema';
import { derivedId } from '../derived-id.js';
import type { Sha256 } from '../hash.js';
import { newEvent } from './event-data.js';
import type { NewEvent, SealedEpoch, StreamAppend } from './site-log.js';

/** What a log says about itself: its epochs, what was recovered, what was removed. */
export const LOG_STREAM = 'log';

export interface LogStreamContext {
  readonly site: SiteId;
  /** Wall clock, milliseconds since the Unix epoch. */
  readonly nowMs: number;
  readonly sha256: Sha256;
}

/** The first event of a site's first epoch. */
export function firstEventOf(
  site: SiteId,
  nowMs: number,
  sha256: Sha256,
  reason = 'site log created',
): StreamAppend {
  const data = { epoch: 1, previousEpoch: null, previousSize: null, previousRoot: null, reason };
  const event = logStreamEvent({ type: 'LogEpochOpened', data }, '1', { site, nowMs, sha256 });
  return { stream: LOG_STREAM, expected: 'none', events: [event] };
}

/** The first event of the epoch behind a sealed one. */
export function epochOpening(sealed: SealedEpoch, reason: string, context: LogStreamContext): NewEvent {
  const previousRoot = hexOf(sealed.root);
  const epoch = sealed.epoch + 1;
  return logStreamEvent(
    {
      type: 'LogEpochOpened',
      data: { epoch, previousEpoch: sealed.epoch, previousSize: sealed.size, previousRoot, reason },
    },
    `${epoch} ${previousRoot}`,
    context,
  );
}

/**
 * An event by the log itself. Its id is derived (a UUIDv8) from its type, the site and `name`, which no other event of its
 * type has: so no log needs a source of ids.
 */
export function logStreamEvent(
  event: HoldfastEvent,
  name: string,
  { site, nowMs, sha256 }: LogStreamContext,
): NewEvent {
  return newEvent(event, {
    id: derivedId(`${event.type} ${site} ${name}`, sha256),
    actor: `site:${site}`,
    occurredAtMs: Math.max(0, Math.floor(nowMs)),
    clockQuality: 'UNKNOWN',
  });
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
