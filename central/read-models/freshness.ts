import type { LogHead } from '@holdfast/core';
import type { CommandId, SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';
import { isNothingCatchingUp } from './site-progress.query.js';
import type { Wakeup } from './wakeup.js';

/** An answer waits no longer than this for the read models; it then shows what they know. */
const FRESHNESS_WAIT_MS_MAX = 5000;
const POLL_MS = 250;

/** Waits until the read models show what a command has brought about. */
export class Freshness {
  readonly #sql: Sql;
  readonly #ownHead: () => LogHead;
  readonly #projected: Wakeup;

  constructor(options: { sql: Sql; ownHead: () => LogHead; projected: Wakeup }) {
    this.#sql = options.sql;
    this.#ownHead = options.ownHead;
    this.#projected = options.projected;
  }

  /** Until the answer of that site to that command is folded, and with it everything that came before it in its log. */
  async untilAnswered(site: SiteId, commandId: CommandId): Promise<void> {
    if (site === this.#ownHead().site) return this.untilOwnLog();
    await this.#until(AbortSignal.timeout(FRESHNESS_WAIT_MS_MAX), async () => {
      const [row] = await this.#sql`select 1 from command where id = ${commandId} and state <> 'PENDING'`;
      return row !== undefined;
    });
  }

  /** Until everything that is in this site's own log now is folded, or the signal is aborted. */
  async untilOwnLog(signal = AbortSignal.timeout(FRESHNESS_WAIT_MS_MAX)): Promise<void> {
    const { site, epoch, size } = this.#ownHead();
    await this.#until(signal, async () => {
      const [row] = await this.#sql`
        select 1 from site_progress where site_id = ${site} and (epoch, position) >= (${epoch}::int, ${size}::bigint)`;
      return row !== undefined;
    });
  }

  async #until(signal: AbortSignal, reached: () => Promise<boolean>): Promise<void> {
    while (!signal.aborted) {
      const seen = this.#projected.count;
      if ((await reached()) && (await isNothingCatchingUp(this.#sql))) return;
      await this.#projected.after(seen, POLL_MS, signal);
    }
  }
}
