/** Ids per query; more are read by several. */
const BATCH_IDS_MAX = 1000;

/**
 * Reads rows by id, all that are asked for within one turn of the event loop at once. Remembers nothing beyond that, so
 * that a subscription sees every change.
 */
export class BatchLoader<Row extends { readonly id: string }> {
  readonly #read: (ids: readonly string[]) => Promise<readonly Row[]>;
  #ids = new Set<string>();
  #batch: Promise<ReadonlyMap<string, Row>> | null = null;

  constructor(read: (ids: readonly string[]) => Promise<readonly Row[]>) {
    this.#read = read;
  }

  async load(id: string): Promise<Row | null> {
    this.#ids.add(id);
    this.#batch ??= this.#collect();
    const rows = await this.#batch;
    return rows.get(id) ?? null;
  }

  async loadMany(ids: readonly string[]): Promise<readonly Row[]> {
    const rows = await Promise.all(ids.map(id => this.load(id)));
    return rows.filter(row => row !== null);
  }

  async #collect(): Promise<ReadonlyMap<string, Row>> {
    await new Promise<void>(resolve => setImmediate(resolve));
    const ids = [...this.#ids];
    this.#ids = new Set();
    this.#batch = null;
    const rows = new Map<string, Row>();
    for (let from = 0; from < ids.length; from += BATCH_IDS_MAX) {
      for (const row of await this.#read(ids.slice(from, from + BATCH_IDS_MAX))) rows.set(row.id, row);
    }
    return rows;
  }
}
