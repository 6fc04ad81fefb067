import { type ServerStatus, SystemStatus } from '@holdfast/schema/graphql';
import { Query, Resolver } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { type ProjectionView, readProjectionState } from '../../read-models/projection-state.query.js';
import type { ApiPorts } from '../api-ports.js';
import { projectionStatusOf } from './projection.resolver.js';

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
    const { seq, headSeq, projections } = await readProjectionState(this.#sql);
    const troubles = projections.flatMap(describeTrouble);
    const readModels: ServerStatus = {
      name: 'read models',
      state: troubles.length === 0 ? 'OK' : 'DEGRADED',
      detail: troubles.length === 0 ? null : troubles.join('; '),
    };
    return {
      atMs: this.#ports.now(),
      version: this.#ports.softwareVersion,
      servers: [{ name: 'database', state: 'OK', detail: null }, readModels, ...this.#ports.servers()],
      projectionLag: headSeq - seq,
      projections: projections.map(projectionStatusOf),
    };
  }
}

function describeTrouble(view: ProjectionView): readonly string[] {
  const { name, state, detail, quarantinedCount, differenceCount } = view;
  return [
    ...(detail === null ? [] : [`${name}: ${state === 'HALTED' ? 'stands still, ' : ''}${detail}`]),
    ...(quarantinedCount === 0 ? [] : [`${name}: ${quarantinedCount} events are put aside`]),
    ...(differenceCount === 0 ? [] : [`${name}: differs from the log, rebuild it`]),
  ];
}
