import { LogCheckpoint, LogEpoch, SiteLogHead } from '@holdfast/schema/graphql';
import { FieldResolver, Resolver, Root } from 'type-graphql';
import { readEpochs, readSignedEnd } from '../../intake/replica-proof.query.js';
import type { Sql } from '../../postgres/sql.js';
import type { ApiPorts } from '../api-ports.js';

/** What proves a log, as far as it is held here. */
@Resolver(() => SiteLogHead)
export class SiteLogResolver {
  readonly #sql: Sql;
  readonly #ports: Pick<ApiPorts, 'ownSite' | 'newestReceipt'>;

  constructor(sql: Sql, ports: Pick<ApiPorts, 'ownSite' | 'newestReceipt'>) {
    this.#sql = sql;
    this.#ports = ports;
  }

  @FieldResolver(() => LogCheckpoint, { nullable: true })
  checkpoint(@Root() { siteId }: SiteLogHead): Promise<LogCheckpoint | null> {
    return readSignedEnd(this.#sql, siteId);
  }

  @FieldResolver(() => LogCheckpoint, { nullable: true })
  async receipt(@Root() { siteId }: SiteLogHead): Promise<LogCheckpoint | null> {
    return siteId === this.#ports.ownSite ? this.#ports.newestReceipt() : null;
  }

  @FieldResolver(() => [LogEpoch])
  epochs(@Root() { siteId }: SiteLogHead): Promise<readonly LogEpoch[]> {
    return readEpochs(this.#sql, siteId);
  }
}
