import { type ServerStatus, SystemStatus } from '@holdfast/schema/graphql';
import { Query, Resolver } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readProjectionState } from '../../read-models/projection-state.query.js';
import type { ApiPorts } from '../api-ports.js';

@Resolver(() => SystemStatus)
export class SystemStatusResolver {
  readonly #sql: Sql;
  readonly #ports: ApiPorts;

  constructor(sql: Sql, ports: ApiPorts) {
    this.#sql = sql;
    this.#ports = ports;
  }

  @Query(() => SystemStatus)
  async systemStatus(): Promise<SystemStatus> {
    const { seq, headSeq, quarantinedCount } = await readProjectionState(this.#sql);
    const readModels: ServerStatus = {
      name: 'read models',
      state: quarantinedCount === 0 ? 'OK' : 'DEGRADED',
      detail:
        quarantinedCount === 0 ? null : `${quarantinedCount} events could not be digested and are put aside`,
    };
    return {
      atMs: this.#ports.now(),
      version: this.#ports.softwareVersion,
      servers: [{ name: 'database', state: 'OK', detail: null }, readModels, ...this.#ports.servers()],
      projectionLag: headSeq - seq,
    };
  }
}
