// A process for tests: builds what is asked for in a database that another process serves, and says how far it has come.
import type { SiteId } from '@holdfast/schema';
import { openServedDatabase } from '../postgres/database.js';
import { ProjectionBuilder } from './projection-builder.js';
import { readModels } from './read-models.js';

const [, , socketDirectory, ownSite] = process.argv;
const sql = openServedDatabase(socketDirectory!);
const builder = new ProjectionBuilder({
  ...{ sql, ownSite: ownSite as SiteId, models: readModels, now: Date.now, random: Math.random },
  batchEvents: 1000,
  onProgress: ({ seq }) => process.send?.(seq),
  onQuarantined: ({ reason }) => {
    throw new Error(reason);
  },
  onGivenUp: ({ reason }) => {
    throw new Error(reason);
  },
  onRetry: error => {
    throw error;
  },
});
await builder.buildNext(new AbortController().signal);
await sql.end();
