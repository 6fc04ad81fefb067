import { z } from 'zod';
import { DeviceId, EvidenceLockId } from '../ids.js';
import { defineEvent, type EventOf, Name, Text, UnixMs } from './event-definition.js';

/** Stream of this file: `evidence-lock-<id>`. `expiresAtMs` null: the lock holds until it is released. */
export const EvidenceLockCreated = defineEvent(
  'EvidenceLockCreated',
  1,
  z.object({
    evidenceLockId: EvidenceLockId,
    headline: Name,
    description: Text,
    deviceIds: z.array(DeviceId).min(1).max(1000),
    fromMs: UnixMs,
    toMs: UnixMs,
    expiresAtMs: UnixMs.nullable(),
  }),
);

/** The lock holds longer, or over a wider span; never less. */
export const EvidenceLockExtended = defineEvent(
  'EvidenceLockExtended',
  1,
  z.object({
    evidenceLockId: EvidenceLockId,
    fromMs: UnixMs,
    toMs: UnixMs,
    expiresAtMs: UnixMs.nullable(),
  }),
);

export const EvidenceLockReleased = defineEvent(
  'EvidenceLockReleased',
  1,
  z.object({ evidenceLockId: EvidenceLockId, reason: Text }),
);

export const evidenceLockEvents = [EvidenceLockCreated, EvidenceLockExtended, EvidenceLockReleased] as const;
export type EvidenceLockEvent = EventOf<(typeof evidenceLockEvents)[number]>;
