import type { SiteId } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { ProjectionBuilder } from './projection-builder.js';
import { readModels } from './read-models.js';

/**
 * In a transaction that replaces events of the feed: asks for all projections to be built anew, whatever was folded already, also by a
 * build under way. What is served meanwhile is that.
 */
export async function startProjectionsOver(
  tx: TransactionSql,
  { sql, ownSite }: { readonly sql: Sql; readonly ownSite: SiteId },
): Promise<void> {
  const unused = () => undefined;
  const builder = new ProjectionBuilder({
    ...{ sql, ownSite, models: readModels, now: Date.now, random: Math.random },
    ...{ onQuarantined: unused, onGivenUp: unused, onRetry: unused },
  });
  await builder.startOver(tx);
}
