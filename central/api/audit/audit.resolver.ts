import { actorOfUser, type PersonalTexts } from '@holdfast/core';
import { SiteId } from '@holdfast/schema';
import {
  AuditEntry,
  AuditEntryConnection,
  AuditFilter,
  type Connection,
  PageArguments,
  Site,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readAuditTrail } from '../../read-models/audit/audit-trail.query.js';
import type { ApiContext } from '../api-context.js';
import type { ApiPorts } from '../api-ports.js';
import { parseOptionalId } from '../arguments.js';

@Resolver(() => AuditEntry)
export class AuditResolver {
  readonly #sql: Sql;
  readonly #personal: PersonalTexts;

  constructor(sql: Sql, { personal }: ApiPorts) {
    this.#sql = sql;
    this.#personal = personal;
  }

  @Query(() => AuditEntryConnection, { description: 'Newest first.' })
  auditTrail(
    @Arg('filter', () => AuditFilter, { nullable: true }) filter: AuditFilter | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<AuditEntry>> {
    const query = {
      siteId: parseOptionalId(SiteId, filter?.siteId, 'filter.siteId'),
      actors: filter?.actor ? this.#actorsOf(filter.actor) : null,
      fromMs: filter?.from ?? null,
      toMs: filter?.to ?? null,
    };
    return readAuditTrail(this.#sql, query, page);
  }

  /** A user's name stands sealed in logs; in clear in events of before. */
  #actorsOf(actor: string): readonly string[] {
    return actor.startsWith('user:')
      ? [actor, actorOfUser(this.#personal, actor.slice('user:'.length))]
      : [actor];
  }

  @FieldResolver(() => Site)
  async site(@Root() entry: AuditEntry, @Ctx() { load }: ApiContext): Promise<Site> {
    const site = await load.site.load(entry.siteId);
    return site ?? { id: entry.siteId, name: entry.siteId, parentId: null, enrolledAtMs: null };
  }
}
