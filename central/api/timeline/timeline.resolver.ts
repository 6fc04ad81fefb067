import { deviceTimeline } from '@holdfast/core';
import { DeviceId, type SiteId } from '@holdfast/schema';
import { DateTime, DeviceTimeline } from '@holdfast/schema/graphql';
import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import {
  type DeviceOfSite,
  readDeviceTimelines,
} from '../../read-models/recording/device-timelines.query.js';
import { type LinkToSite, type LiveLink, readLinkTo } from '../../read-models/site/sites.query.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { checkSpan, parseId } from '../arguments.js';

/** A wall of cameras. */
const DEVICES_MAX = 256;
/** More than a month of days with a change of the clock. */
const SPAN_MS_MAX = 32 * 24 * 3600 * 1000;

@Resolver()
export class TimelineResolver {
  readonly #sql: Sql;
  readonly #ports: ApiPorts;

  constructor(sql: Sql, ports: ApiPorts) {
    this.#sql = sql;
    this.#ports = ports;
  }

  @Query(() => [DeviceTimeline], {
    description: 'One entry for each device, in the order asked for; at most 256 devices and 32 days.',
  })
  async timeline(
    @Arg('deviceIds', () => [ID]) ids: string[],
    @Arg('from', () => DateTime) fromMs: number,
    @Arg('to', () => DateTime) toMs: number,
    @Ctx() context: ApiContext,
  ): Promise<readonly DeviceTimeline[]> {
    const deviceIds = ids.map(id => parseId(DeviceId, id, 'deviceIds'));
    if (deviceIds.length > DEVICES_MAX) {
      throw new ApiError({
        code: 'BAD_USER_INPUT',
        message: `deviceIds: expected at most ${DEVICES_MAX}, got ${deviceIds.length}`,
      });
    }
    checkSpan(fromMs, toMs);
    if (toMs - fromMs > SPAN_MS_MAX) {
      throw new ApiError({ code: 'BAD_USER_INPUT', message: 'to: expected at most 32 days after `from`' });
    }
    const window = { fromMs, toMs };
    const devices = await Promise.all(deviceIds.map(deviceId => this.#siteOf(deviceId, context)));
    const [links, facts] = await Promise.all([
      this.#linksTo(new Set(devices.map(({ siteId }) => siteId))),
      readDeviceTimelines(this.#sql, devices, window),
    ]);
    const nowMs = this.#ports.now();
    return devices.map(({ deviceId, siteId }, index) => ({
      deviceId,
      spans: deviceTimeline({ ...facts[index]!, link: links.get(siteId) ?? null }, window, nowMs),
    }));
  }

  async #siteOf(deviceId: DeviceId, { load }: ApiContext): Promise<DeviceOfSite> {
    const device = await load.device.load(deviceId);
    if (!device) {
      throw new ApiError({ code: 'DEVICE_NOT_FOUND', message: `no device ${deviceId} is known here` });
    }
    const siteId = device.siteId as SiteId;
    return { deviceId, siteId, isAway: this.#ports.awayAt(siteId) };
  }

  async #linksTo(siteIds: ReadonlySet<SiteId>): Promise<ReadonlyMap<SiteId, LinkToSite | null>> {
    const { ownSite, links } = this.#ports;
    const live: LiveLink = (hop, via) =>
      hop.siteId === via ? (links.view(via)?.facts ?? null) : links.relayed(hop, via);
    const entries = [...siteIds].map(
      async siteId => [siteId, await readLinkTo(this.#sql, siteId, ownSite, live)] as const,
    );
    return new Map(await Promise.all(entries));
  }
}
