// A thread that builds the oldest projections that are asked for, and ends: so that who asks the central meanwhile waits for nothing.
import { parentPort, workerData } from 'node:worker_threads';
import { openSharedDatabase } from '../postgres/database.js';
import type { BuildReport, BuildThreadData } from './build-thread.js';
import { ProjectionBuilder } from './projection-builder.js';
import { readModels } from './read-models.js';

/** One holds the lock, one reads, two write, one looks on. */
const CONNECTIONS_MAX = 5;

const { target, ownSite } = workerData as BuildThreadData;
const port = parentPort!;
const tell = (report: BuildReport) => port.postMessage(report);
const stopped = new AbortController();
port.once('message', () => stopped.abort());
// The port alone keeps no thread from ending.
port.unref();

const sql = openSharedDatabase(target, CONNECTIONS_MAX);
try {
  const builder = new ProjectionBuilder({
    ...{ sql, ownSite, models: readModels, now: Date.now, random: Math.random },
    onQuarantined: row => tell({ kind: 'QUARANTINED', row }),
    onGivenUp: facts => tell({ kind: 'GIVEN_UP', facts }),
    onRetry: () => undefined,
  });
  tell({ kind: 'ENDED', outcome: await builder.buildNext(stopped.signal) });
} finally {
  await sql.end({ timeout: 5 });
}
