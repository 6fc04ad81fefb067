const DAY_MS = 24 * 3600_000;

/** How a live database or an archive fills. */
export interface StageRoom {
  readonly nowMs: number;
  readonly usageBytes: number;
  /** At which it is full: by its own limit, or by what its volume has left. Null: it has no end that one could know of. */
  readonly limitBytes: number | null;
  /** Of the usage, what evidence locks keep: it does not leave. */
  readonly lockedBytes: number;
  /** What comes in, at the pace of its last day. Null: nothing is known of that yet. */
  readonly bytesPerDay: number | null;
  /** How long what is not locked stays in it. */
  readonly keptMs: number;
}

/**
 * When the stage will be as full as it may be, so that recordings leave it before their time, or none can be made. Null: never at
 * this pace, for as much leaves as comes; or it cannot be known.
 */
export function stageFullAtMs(room: StageRoom): number | null {
  const { nowMs, usageBytes, limitBytes, lockedBytes, bytesPerDay, keptMs } = room;
  if (limitBytes === null) return null;
  if (usageBytes >= limitBytes) return nowMs;
  if (bytesPerDay === null || bytesPerDay <= 0) return null;
  const inTheEndBytes = bytesPerDay * (keptMs / DAY_MS) + lockedBytes;
  if (inTheEndBytes <= limitBytes) return null;
  const days = (limitBytes - usageBytes) / bytesPerDay;
  const fullAtMs = Math.round(nowMs + days * DAY_MS);
  return Number.isSafeInteger(fullAtMs) ? fullAtMs : null;
}
