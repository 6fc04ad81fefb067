import { useSyncExternalStore } from 'react';

/** What was asked of an alarm's site in this tab and not answered yet. */
export interface PendingChange {
  readonly what: string;
  readonly askedAtMs: number;
}

let pending: ReadonlyMap<string, readonly PendingChange[]> = new Map();
const listeners = new Set<() => void>();
/** A site that has been silent for longer is dealt with in other ways. */
const PENDING_LIMIT = 20;

function change(next: ReadonlyMap<string, readonly PendingChange[]>): void {
  pending = next;
  for (const listener of listeners) listener();
}

export function notePending(alarmId: string, what: string): void {
  const before = pending.get(alarmId) ?? [];
  change(
    new Map([...pending, [alarmId, [...before, { what, askedAtMs: Date.now() }].slice(-PENDING_LIMIT)]]),
  );
}

/** The site has spoken: what was asked of it shows in the alarm itself. */
export function clearPending(alarmId: string): void {
  if (!pending.has(alarmId)) return;
  change(new Map([...pending].filter(([id]) => id !== alarmId)));
}

export function usePending(): ReadonlyMap<string, readonly PendingChange[]> {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => pending,
  );
}
