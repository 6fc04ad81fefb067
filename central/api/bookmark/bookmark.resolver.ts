import { BOOKMARK_POST_MS, BOOKMARK_PRE_MS } from '@holdfast/core';
import { type BookmarkId, DeviceId, SiteId } from '@holdfast/schema';
import {
  Bookmark,
  BookmarkConnection,
  BookmarkFilter,
  BookmarkPayload,
  type Connection,
  DateTime,
  Device,
  PageArguments,
  Site,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readBookmarkById, readBookmarks } from '../../read-models/bookmark/bookmarks.query.js';
import type { ApiContext } from '../api-context.js';
import type { ApiPorts } from '../api-ports.js';
import { parseOptionalId } from '../arguments.js';
import type { CommandSender } from '../command-sender.js';
import { siteOfDevices } from '../site-of-devices.js';

@Resolver(() => Bookmark)
export class BookmarkResolver {
  readonly #sql: Sql;
  readonly #commands: CommandSender;
  readonly #ports: ApiPorts;

  constructor(sql: Sql, commands: CommandSender, ports: ApiPorts) {
    this.#sql = sql;
    this.#commands = commands;
    this.#ports = ports;
  }

  @Query(() => BookmarkConnection, { description: 'The latest moment first.' })
  bookmarks(
    @Arg('filter', () => BookmarkFilter, { nullable: true }) filter: BookmarkFilter | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<Bookmark>> {
    const query = {
      siteId: parseOptionalId(SiteId, filter?.siteId, 'filter.siteId'),
      deviceId: parseOptionalId(DeviceId, filter?.deviceId, 'filter.deviceId'),
      fromMs: filter?.from ?? null,
      toMs: filter?.to ?? null,
      text: filter?.text ?? null,
    };
    return readBookmarks(this.#sql, query, page);
  }

  @FieldResolver(() => Site)
  async site(@Root() bookmark: Bookmark, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return load.site.load(bookmark.siteId);
  }

  @FieldResolver(() => Device)
  async device(@Root() bookmark: Bookmark, @Ctx() { load }: ApiContext): Promise<Device | null> {
    return load.device.load(bookmark.deviceId);
  }

  @Mutation(() => BookmarkPayload, {
    description:
      'Of now, when `at` is left out; from 3 s before to 30 s after, unless said otherwise. A device that is not recorded continuously is recorded for it.',
  })
  async createBookmark(
    @Arg('deviceId', () => ID) device: string,
    @Arg('header', () => String) header: string,
    @Arg('description', () => String, { nullable: true }) description: string | undefined,
    @Arg('reference', () => String, { nullable: true }) reference: string | undefined,
    @Arg('at', () => DateTime, { nullable: true }) at: number | null | undefined,
    @Arg('from', () => DateTime, { nullable: true }) from: number | null | undefined,
    @Arg('to', () => DateTime, { nullable: true }) to: number | null | undefined,
    @Ctx() context: ApiContext,
  ): Promise<BookmarkPayload> {
    const { siteId, deviceIds } = await siteOfDevices([device], context);
    const bookmarkId = this.#ports.newId() as BookmarkId;
    const atMs = at ?? this.#ports.now();
    const command = await this.#commands.send(
      siteId,
      {
        ...{ kind: 'CreateBookmark', bookmarkId, deviceId: deviceIds[0]!, header },
        ...{ description: description ?? '', reference: reference || referenceOf(bookmarkId), atMs },
        ...{ fromMs: from ?? Math.max(0, atMs - BOOKMARK_PRE_MS), toMs: to ?? atMs + BOOKMARK_POST_MS },
      },
      context,
    );
    return { command, bookmark: await readBookmarkById(this.#sql, bookmarkId) };
  }
}

/** What people say on the telephone when nobody has given another. */
function referenceOf(bookmarkId: BookmarkId): string {
  return `B-${bookmarkId.replaceAll('-', '').slice(-8).toUpperCase()}`;
}
