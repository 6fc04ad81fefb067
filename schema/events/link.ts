import { z } from 'zod';
import { SiteId } from '../ids.js';
import { defineEvent, type EventOf, UnixMs } from './event-definition.js';

/** Stream of this file: `link-<siteId>`, in the parent's log: what the parent knows of its link to a child. */
export const LinkEstablished = defineEvent(
  'LinkEstablished',
  1,
  z.object({ siteId: SiteId, atMs: UnixMs, session: z.int().nonnegative() }),
);

/** Since `atMs` nothing is known of the child beyond `lastPosition` of its log. */
export const LinkLost = defineEvent(
  'LinkLost',
  1,
  z.object({
    siteId: SiteId,
    atMs: UnixMs,
    lastEpoch: z.int().nonnegative(),
    lastPosition: z.int().nonnegative(),
    cause: z.enum(['CLOSED', 'HEARTBEAT_MISSED', 'FENCED', 'PROTOCOL_ERROR', 'PARENT_RESTARTED']),
  }),
);

export const linkEvents = [LinkEstablished, LinkLost] as const;
export type LinkEvent = EventOf<(typeof linkEvents)[number]>;
