import { useSyncExternalStore } from 'react';

/** This console's own connection to the central. */
export interface CentralConnection {
  readonly state: 'CONNECTING' | 'UP' | 'DOWN';
  readonly sinceMs: number;
  /** When the next attempt begins; null while none is planned. */
  readonly retryAtMs: number | null;
}

let connection: CentralConnection = { state: 'CONNECTING', sinceMs: Date.now(), retryAtMs: null };
const listeners = new Set<() => void>();

function change(next: CentralConnection): void {
  connection = next;
  for (const listener of listeners) listener();
}

export function noteAnswer(): void {
  if (connection.state !== 'UP') change({ state: 'UP', sinceMs: Date.now(), retryAtMs: null });
}

export function noteSilence(retryAtMs: number | null = connection.retryAtMs): void {
  const sinceMs = connection.state === 'DOWN' ? connection.sinceMs : Date.now();
  change({ state: 'DOWN', sinceMs, retryAtMs });
}

export function useCentralConnection(): CentralConnection {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => connection,
  );
}
