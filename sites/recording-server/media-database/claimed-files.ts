/** Files that are being written or removed: who moves a segment and who clears up must never be at the same file. */
export class ClaimedFiles {
  readonly #claimed = new Set<string>();

  /** False: somebody has one of them. */
  claim(files: readonly string[]): boolean {
    if (files.some(file => this.#claimed.has(file))) return false;
    for (const file of files) this.#claimed.add(file);
    return true;
  }

  release(files: readonly string[]): void {
    for (const file of files) this.#claimed.delete(file);
  }
}
