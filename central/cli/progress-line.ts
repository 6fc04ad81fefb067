/** A line that changes more often only flickers. */
const REDRAW_MS = 100;

/** One line on a terminal that says how far a long job is. Nothing is written where nobody looks. */
export class ProgressLine implements Disposable {
  #drawnAt = Number.NEGATIVE_INFINITY;
  #width = 0;

  show(what: string, done: number, total: number): void {
    const now = performance.now();
    if (!process.stderr.isTTY || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
    const line = `${what}: ${percent} %, ${done} of ${total}`;
    process.stderr.write(`\r${line.padEnd(this.#width)}`);
    this.#width = line.length;
  }

  /** Leaves the terminal as it was found. */
  clear(): void {
    if (this.#width > 0) process.stderr.write(`\r${' '.repeat(this.#width)}\r`);
    this.#width = 0;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}
