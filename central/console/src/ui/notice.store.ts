import { useSyncExternalStore } from 'react';

export interface Notice {
  readonly tone: 'good' | 'bad' | 'waiting' | 'alarm';
  readonly title: string;
  readonly text: string;
  /** Where a click leads: a hash of this console. */
  readonly href?: string;
}

export interface ShownNotice extends Notice {
  readonly id: number;
}

/** More would cover the pictures. */
const SHOWN_LIMIT = 4;
const SHOWN_MS = { good: 3_500, waiting: 9_000, bad: 12_000, alarm: 12_000 } as const;

let shown: readonly ShownNotice[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function change(next: readonly ShownNotice[]): void {
  shown = next;
  for (const listener of listeners) listener();
}

export function dismiss(id: number): void {
  change(shown.filter(notice => notice.id !== id));
}

export function notify(notice: Notice): void {
  lastId += 1;
  const id = lastId;
  change([...shown, { ...notice, id }].slice(-SHOWN_LIMIT));
  setTimeout(() => dismiss(id), SHOWN_MS[notice.tone]);
}

export function useNotices(): readonly ShownNotice[] {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => shown,
  );
}
