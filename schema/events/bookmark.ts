import { z } from 'zod';
import { BookmarkId, DeviceId } from '../ids.js';
import { defineEvent, type EventOf, Name, UnixMs } from './event-definition.js';
import { personal } from './personal.js';

/** Stream of this file: `bookmark-<id>`. A moment of a device that somebody wants to find again, and the span around it. */
export const BookmarkCreated = defineEvent(
  'BookmarkCreated',
  1,
  z.object({
    bookmarkId: BookmarkId,
    deviceId: DeviceId,
    atMs: UnixMs,
    fromMs: UnixMs,
    toMs: UnixMs,
    reference: z.string().min(1).max(50),
    header: Name,
    description: personal({ max: 4000 }),
  }),
);

export const bookmarkEvents = [BookmarkCreated] as const;
export type BookmarkEvent = EventOf<(typeof bookmarkEvents)[number]>;
