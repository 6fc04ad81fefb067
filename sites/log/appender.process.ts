// Appends to a log as fast as it can and tells its parent, event by event, what was acknowledged: to be killed by a test.
import { createPrivateKey } from 'node:crypto';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { openKurrentSiteLog } from './kurrent/kurrent-site-log.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';

/** Ids and positions of acknowledged events. */
export type AppenderReport = readonly (readonly [id: string, position: number])[];

const CALLERS = 8;
const [file, site, key, connectionString] = process.argv.slice(2);
if (file === undefined || site === undefined || key === undefined)
  throw new Error('file, site and key are needed');

const signingKey = createPrivateKey(key);
const options = { site: site as SiteId, now: Date.now, signingKey, checkpointIntervalMs: 50 };
const log =
  connectionString === undefined
    ? await openSqliteSiteLog({ ...options, file })
    : await openKurrentSiteLog({
        ...{ ...options, connectionString, indexFile: file, random: Math.random },
        onTrouble: detail => console.error(detail),
      });

async function appendForEver(caller: number): Promise<never> {
  for (;;) {
    const ids = Array.from({ length: 1 + (caller % 3) }, () => v7() as EventId);
    const events = ids.map(id => ({
      id,
      type: 'AlarmRaised',
      version: 1,
      data: Buffer.from(`{"text":"${'x'.repeat(100 * caller)}"}`),
      actor: 'server:appender',
      occurredAtMs: Date.now(),
      clockQuality: 'NTP' as const,
      causationId: null,
      correlationId: null,
    }));
    const outcome = await log.append([{ stream: `caller-${caller}`, expected: 'any', events }]);
    if (!outcome.appended) throw new Error(`refused: ${outcome.refusal.code}`);
    process.send?.(ids.map((id, index) => [id, outcome.firstPosition + index]));
  }
}

process.on('disconnect', () => process.exit(1));
await Promise.all(Array.from({ length: CALLERS }, (_, caller) => appendForEver(caller)));
