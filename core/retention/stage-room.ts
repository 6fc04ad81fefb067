const DAY_MS = 24 * 3600_000;

/** How a live database or an archive fills. */
export interface StageRoom {
  readonly usageBytes: number;
  /** At which it is full by its own limit; null: it has none. */
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
export function stageFullAtMs(room: StageRoom, nowMs: number): number | null {
  const { usageBytes, limitBytes } = room;
  if (limitBytes === null) return null;
  return volumeFullAtMs([{ ...room, limitBytes: null }], { leftBytes: limitBytes - usageBytes, nowMs });
}

/**
 * As `stageFullAtMs`, for a volume that all these stages are on: `leftBytes` are left until it is as full as it may be. Each of them
 * grows evenly until as much leaves it as comes, or its own limit holds it.
 */
export function volumeFullAtMs(
  stages: readonly StageRoom[],
  { leftBytes, nowMs }: { readonly leftBytes: number; readonly nowMs: number },
): number | null {
  if (leftBytes <= 0) return nowMs;
  const growing = stages.flatMap(growthOf).toSorted((one, other) => one.days - other.days);
  let sinceDays = 0;
  let bytesLeft = leftBytes;
  for (const [index, { days }] of growing.entries()) {
    const bytesPerDay = growing.slice(index).reduce((sum, stage) => sum + stage.bytesPerDay, 0);
    const bytes = bytesPerDay * (days - sinceDays);
    if (bytes > bytesLeft) {
      const fullAtMs = Math.round(nowMs + (sinceDays + bytesLeft / bytesPerDay) * DAY_MS);
      return Number.isSafeInteger(fullAtMs) ? fullAtMs : null;
    }
    bytesLeft -= bytes;
    sinceDays = days;
  }
  return null;
}

/** How fast a stage grows, and for how many days. Nothing: it does not. */
function growthOf({ usageBytes, limitBytes, lockedBytes, bytesPerDay, keptMs }: StageRoom) {
  if (bytesPerDay === null || bytesPerDay <= 0) return [];
  const inTheEndBytes = bytesPerDay * (keptMs / DAY_MS) + lockedBytes;
  const bytes = Math.min(inTheEndBytes, limitBytes ?? Number.POSITIVE_INFINITY) - usageBytes;
  return bytes > 0 ? [{ bytesPerDay, days: bytes / bytesPerDay }] : [];
}
