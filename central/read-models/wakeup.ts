import type { Sql } from '../postgres/sql.js';

/**
 * Something may have happened; look. Take `count` before you look and wait for more than that: what happens while you
 * look then wakes you too.
 */
export class Wakeup {
  #count = 0;
  #waiting = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  fire(): void {
    this.#count += 1;
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves once `count` is above `seen`, after `timeoutMs`, or when the signal is aborted; never rejects. */
  after(seen: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (this.#count > seen || signal.aborted) return Promise.resolve();
    return new Promise(resolve => {
      const finish = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', finish);
        this.#waiting.delete(finish);
        resolve();
      };
      const timer = setTimeout(finish, timeoutMs);
      signal.addEventListener('abort', finish, { once: true });
      this.#waiting.add(finish);
    });
  }
}

/** A wakeup for every notification on the channel, and for every reconnection, behind which some may have been lost. */
export async function listenFor(sql: Sql, channel: string): Promise<Wakeup> {
  const wakeup = new Wakeup();
  await sql.listen(
    channel,
    () => wakeup.fire(),
    () => wakeup.fire(),
  );
  return wakeup;
}
