import { z } from 'zod';
import { DeviceId, EvidenceLockId } from '../ids.js';
import { defineEvent, type EventOf, Name, raised, Text, UnixMs } from './event-definition.js';
import { personal } from './personal.js';

const created = {
  evidenceLockId: EvidenceLockId,
  headline: Name,
  deviceIds: z.array(DeviceId).min(1).max(1000),
  fromMs: UnixMs,
  toMs: UnixMs,
  expiresAtMs: UnixMs.nullable(),
};

/** Stream of this file: `evidence-lock-<id>`. `expiresAtMs` null: the lock holds until it is released. */
export const EvidenceLockCreated = defineEvent(
  'EvidenceLockCreated',
  2,
  z.object({ ...created, description: personal({ max: 4000 }) }),
  [raised(z.object({ ...created, description: Text }), data => data)],
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
  2,
  z.object({ evidenceLockId: EvidenceLockId, reason: personal({ max: 4000 }) }),
  [raised(z.object({ evidenceLockId: EvidenceLockId, reason: Text }), data => data)],
);

export const evidenceLockEvents = [EvidenceLockCreated, EvidenceLockExtended, EvidenceLockReleased] as const;
export type EvidenceLockEvent = EventOf<(typeof evidenceLockEvents)[number]>;
