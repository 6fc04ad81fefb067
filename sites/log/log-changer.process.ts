// Makes one of the long changes of a log file and tells its parent when it begins: to be killed by a test in the middle of it.
import { createPrivateKey } from 'node:crypto';
import { placeOf } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { readSiteLogFile } from './site-log-reader.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';

export interface LogChange {
  readonly file: string;
  readonly site: string;
  /** PEM. */
  readonly key: string;
  /** The log that was lost, from which the history is pulled, and up to where it is common; null to open the file only. */
  readonly lost: { readonly file: string; readonly commonPosition: number; readonly note: string } | null;
  /** Up to where the log is truncated; null when it is not. */
  readonly truncateTo?: number;
}

const change = JSON.parse(process.argv[2]!) as LogChange;
process.on('disconnect', () => process.exit(1));
if (change.lost === null && change.truncateTo === undefined) process.send?.('BEGUN');
const log = await openSqliteSiteLog({
  file: change.file,
  site: change.site as SiteId,
  now: Date.now,
  signingKey: createPrivateKey(change.key),
});
if (change.lost !== null) {
  using lost = readSiteLogFile(change.lost.file);
  const common = { epoch: 1, position: change.lost.commonPosition };
  const pages = function* () {
    process.send?.('BEGUN');
    for (let after = common; ; ) {
      const page = lost.read({ after, limit: 100 });
      if (page.length === 0) return;
      yield page;
      after = placeOf(page.at(-1)!);
    }
  };
  const checkpoint = { head: lost.head(), note: change.lost.note };
  const { reopened, log: next } = await log.reopenAs({ common, events: pages(), checkpoint, reason: 'test' });
  if (!reopened) throw new Error('the history was refused');
  process.send?.('DONE');
  await next[Symbol.asyncDispose]();
} else {
  if (change.truncateTo !== undefined) {
    const keptAfter = { epoch: 1, position: change.truncateTo };
    const plan = { keptAfter, acknowledgedBy: 'TOP', recordedBeforeMs: 0 } as const;
    process.send?.('BEGUN');
    await log.truncate(plan, new AbortController().signal);
  }
  process.send?.('DONE');
  await log[Symbol.asyncDispose]();
}
process.disconnect();
