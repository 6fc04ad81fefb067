const DAY_MS = 24 * 3_600_000;

/** How long a lock is kept: days from now, or until somebody releases it. */
export const LOCK_LIFETIMES = [
  { value: '7', label: '7 days' },
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: '1 year' },
  { value: 'released', label: 'Until released' },
];

export const expiryOf = (lifetime: string, nowMs = Date.now()): string | null =>
  lifetime === 'released' ? null : new Date(nowMs + Number(lifetime) * DAY_MS).toISOString();
