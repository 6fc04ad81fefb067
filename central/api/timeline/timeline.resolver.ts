import { deviceTimeline } from '@holdfast/core';
import { DeviceId, type SiteId } from '@holdfast/schema';
import { DateTime, DeviceTimeline } from '@holdfast/schema/graphql';
import { Arg, Ctx, ID, Query, Resolver } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readDeviceRecordings } from '../../read-models/recording/device-recordings.query.js';
import { readLinkTo } from '../../read-models/site/sites.query.js';
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
    return Promise.all(deviceIds.map(deviceId => this.#device(deviceId, { fromMs, toMs }, context)));
  }

  async #device(
    deviceId: DeviceId,
    window: { readonly fromMs: number; readonly toMs: number },
    { load }: ApiContext,
  ): Promise<DeviceTimeline> {
    const device = await load.device.load(deviceId);
    if (!device) {
      throw new ApiError({ code: 'DEVICE_NOT_FOUND', message: `no device ${deviceId} is known here` });
    }
    const siteId = device.siteId as SiteId;
    const link = await readLinkTo(
      this.#sql,
      siteId,
      this.#ports.ownSite,
      child => this.#ports.links.view(child)?.facts ?? null,
    );
    const { timeline } = await readDeviceRecordings(this.#sql, { siteId, deviceId, ...window }, link);
    return { deviceId, spans: deviceTimeline(timeline, window, this.#ports.now()) };
  }
}
