import { z } from 'zod';
import { DeviceId, EvidenceLockId, RecordingServerId } from '../ids.js';
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

/** `PARTLY`: some of the span was not recorded, or gone before the lock came. What there is of it is held in any case. */
export const EvidenceLockOutcome = z.enum(['APPLIED', 'PARTLY', 'NOTHING_HELD']);
export type EvidenceLockOutcome = z.infer<typeof EvidenceLockOutcome>;

/**
 * Stream: `lock-reports-<recordingServerId>`. What a recording server holds for a lock since it knows of it, for each device that
 * it has or has recordings of. Said again when the lock is widened, and once more when a span that reaches into the future is over.
 */
export const EvidenceLockApplied = defineEvent(
  'EvidenceLockApplied',
  1,
  z.object({
    evidenceLockId: EvidenceLockId,
    recordingServerId: RecordingServerId,
    atMs: UnixMs,
    /** Of the lock, as it was then. */
    fromMs: UnixMs,
    toMs: UnixMs,
    /** Up to where this judges: `toMs`, or the time of the report. */
    judgedToMs: UnixMs,
    devices: z
      .array(
        z.object({
          deviceId: DeviceId,
          outcome: EvidenceLockOutcome,
          heldMs: z.int().nonnegative(),
          /** Of the files that cannot be deleted because of the lock. */
          byteLength: z.int().nonnegative(),
          /** The first of the spans that are not held. */
          missing: z.array(z.object({ fromMs: UnixMs, toMs: UnixMs })).max(20),
        }),
      )
      .min(1)
      .max(100),
  }),
);
