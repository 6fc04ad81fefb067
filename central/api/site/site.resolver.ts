import { type LogHead, rootOf } from '@holdfast/core';
import { SiteId } from '@holdfast/schema';
import {
  type Connection,
  type Device,
  DeviceConnection,
  DeviceTypeEnum,
  Link,
  PageArguments,
  RecordingServer,
  Site,
  SiteConnection,
  SiteLogHead,
  type ValueOf,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { readReplicaCursor } from '../../intake/postgres-replica-intake.js';
import { timelineProjections } from '../../link/facts-watch.js';
import type { Sql } from '../../postgres/sql.js';
import { readDevices } from '../../read-models/hardware/devices.query.js';
import { readRecordingServersOfSite } from '../../read-models/recording-server/recording-servers.query.js';
import { readChildren, readLink, readSites } from '../../read-models/site/sites.query.js';
import { readSiteProgress } from '../../read-models/site-progress.query.js';
import { type ApiContext, actorOf } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { parseId, parseIdOrNull } from '../arguments.js';
import { sha256 } from '../sha256.js';

@Resolver(() => Site)
export class SiteResolver {
  readonly #sql: Sql;
  readonly #ports: ApiPorts;

  constructor(sql: Sql, ports: ApiPorts) {
    this.#sql = sql;
    this.#ports = ports;
  }

  @Query(() => SiteConnection)
  sites(@Args(() => PageArguments) page: PageArguments): Promise<Connection<Site>> {
    return readSites(this.#sql, page);
  }

  @Query(() => Site, { nullable: true })
  async site(@Arg('id', () => ID) id: string, @Ctx() { load }: ApiContext): Promise<Site | null> {
    const siteId = parseIdOrNull(SiteId, id);
    return siteId === null ? null : load.site.load(siteId);
  }

  @FieldResolver(() => Site, { nullable: true })
  async parent(@Root() site: Site, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return site.parentId === null ? null : load.site.load(site.parentId);
  }

  @FieldResolver(() => [Site])
  async children(@Root() site: Site): Promise<readonly Site[]> {
    return readChildren(this.#sql, site.id);
  }

  @FieldResolver(() => Link, { nullable: true, description: 'Null for the site that answers.' })
  async link(@Root() site: Site): Promise<Link | null> {
    const siteId = site.id as SiteId;
    if (siteId === this.#ports.ownSite) return null;
    const [known, [progress]] = await Promise.all([
      readLink(this.#sql, siteId),
      readSiteProgress(this.#sql, { projections: timelineProjections, site: siteId }),
    ]);
    const live = this.#ports.links.view(siteId);
    const emulated = (await this.#ports.linkControl?.state(siteId)) ?? null;
    return {
      state: live?.state ?? known?.state ?? 'DOWN',
      sinceMs: live?.sinceMs ?? known?.sinceMs ?? site.enrolledAtMs ?? 0,
      lastPosition: progress?.position ?? 0,
      headPosition: live?.headPosition ?? this.#ports.links.head(siteId),
      roundTripMs: live?.roundTripMs ?? null,
      clockOffsetMs: live?.clockOffsetMs ?? null,
      cut: emulated === null ? null : emulated === 'CUT',
    };
  }

  @FieldResolver(() => DeviceConnection)
  devices(
    @Root() site: Site,
    @Arg('type', () => DeviceTypeEnum, { nullable: true }) type: ValueOf<typeof DeviceTypeEnum> | undefined,
    @Arg('text', () => String, { nullable: true }) text: string | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<Device>> {
    const filter = { siteId: site.id, type: type ?? null, text: text ?? null };
    return readDevices(this.#sql, filter, page);
  }

  @FieldResolver(() => [RecordingServer])
  async recordingServers(@Root() site: Site): Promise<readonly RecordingServer[]> {
    return readRecordingServersOfSite(this.#sql, site.id);
  }

  @FieldResolver(() => Boolean, {
    description:
      'Less is known here of its log than once was, as after this central was restored: no copies of recordings are deleted until it has reported again, or is written off.',
  })
  awaited(@Root() site: Site): boolean {
    return this.#ports.awaitedSites().has(site.id as SiteId);
  }

  @FieldResolver(() => SiteLogHead)
  async log(@Root() site: Site): Promise<SiteLogHead> {
    const own = this.#ports.ownHead();
    // The log here is the original: there is nothing to compare it with.
    if (site.id === own.site) return logHead(site.id, own, null);
    const cursor = await readReplicaCursor(this.#sql, site.id as SiteId);
    const { epoch, position, treeEdge, verifiedAtMs } = cursor ?? nothingReplicated;
    return logHead(
      site.id,
      { epoch, size: position, root: rootOf(treeEdge, position, sha256) },
      verifiedAtMs,
    );
  }

  @Mutation(() => Site, { description: "The demonstration's emulated link of a site." })
  async cutLink(@Arg('siteId', () => ID) siteId: string, @Ctx() context: ApiContext): Promise<Site> {
    const { site, control } = await this.#emulatedLink(siteId, 'EmulatedLinkCut', context);
    await control.cut(site.id as SiteId);
    return site;
  }

  @Mutation(() => Site)
  async restoreLink(@Arg('siteId', () => ID) siteId: string, @Ctx() context: ApiContext): Promise<Site> {
    const { site, control } = await this.#emulatedLink(siteId, 'EmulatedLinkRestored', context);
    await control.restore(site.id as SiteId);
    return site;
  }

  @Mutation(() => [ID], {
    description:
      'The site will not report again, e.g. because it was scrapped: evidence locks that it may have had, and that a restored database does not know, keep no copies of recordings any more. Known locks stay. Ends when the site dials again. Gives the sites that are still waited for.',
  })
  async writeOffSite(
    @Arg('siteId', () => ID) siteId: string,
    @Ctx() context: ApiContext,
  ): Promise<readonly string[]> {
    const { awaitedSites, links, operators, personal } = this.#ports;
    if (context.user?.administrator !== true) {
      throw new ApiError({ code: 'FORBIDDEN', message: 'only an administrator may do this' });
    }
    const id = parseId(SiteId, siteId, 'siteId');
    const awaited = awaitedSites();
    if (!awaited.has(id) || links.view(id)?.state === 'UP') {
      const message = `nothing of site ${id} is waited for, or it is connected and tells it`;
      throw new ApiError({ code: 'SITE_NOT_AWAITED', message });
    }
    await operators.record([{ type: 'SiteWrittenOff', data: { siteId: id } }], actorOf(context, personal));
    return [...awaited].filter(site => site !== id);
  }

  async #emulatedLink(siteId: string, type: 'EmulatedLinkCut' | 'EmulatedLinkRestored', context: ApiContext) {
    const { load } = context;
    const id = parseId(SiteId, siteId, 'siteId');
    const site = await load.site.load(id);
    if (!site) throw new ApiError({ code: 'SITE_NOT_FOUND', message: `no site ${id} is known here` });
    const control = this.#ports.linkControl;
    if (control === null || (await control.state(id)) === null) {
      throw new ApiError({
        code: 'LINK_NOT_EMULATED',
        message: `the link of ${site.name} is not an emulated one`,
      });
    }
    const { operators, personal } = this.#ports;
    await operators.record([{ type, data: { siteId: id } }], actorOf(context, personal));
    return { site, control };
  }
}

const nothingReplicated = { epoch: 0, position: 0, treeEdge: [], verifiedAtMs: null } as const;

function logHead(
  siteId: string,
  { epoch, size, root }: Pick<LogHead, 'epoch' | 'size' | 'root'>,
  verifiedAtMs: number | null,
): SiteLogHead {
  return { siteId, epoch, size, root: Buffer.from(root).toString('hex'), verifiedAtMs };
}
