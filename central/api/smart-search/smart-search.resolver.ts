import { DeviceId, MOTION_GRID_SIDE_MAX, MOTION_GRID_SIDE_MIN } from '@holdfast/schema';
import { DateTime, SmartSearch } from '@holdfast/schema/graphql';
import { Arg, Ctx, ID, Int, Query, Resolver } from 'type-graphql';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { checkSpan, parseId } from '../arguments.js';

const SPAN_MS_MAX = 32 * 24 * 3600 * 1000;
/** A page of results; half a day of unbroken motion. */
const MOMENTS_MAX = 20_000;

@Resolver()
export class SmartSearchResolver {
  readonly #ports: ApiPorts;

  constructor(ports: ApiPorts) {
    this.#ports = ports;
  }

  @Query(() => SmartSearch, {
    description:
      'When something moved in a region of the picture, told from heat maps without decoding. Of cameras of this site whose motion is detected; at most 32 days.',
  })
  async smartSearch(
    @Arg('deviceId', () => ID) id: string,
    @Arg('mask', () => String, {
      description:
        'One character for each cell of a square grid of 8 to 64 a side, row by row: 1 is searched.',
    })
    mask: string,
    @Arg('from', () => DateTime) fromMs: number,
    @Arg('to', () => DateTime) toMs: number,
    @Arg('thresholdPermille', () => Int, { nullable: true }) threshold: number | null | undefined,
    @Ctx() { load }: ApiContext,
  ): Promise<SmartSearch> {
    const deviceId = parseId(DeviceId, id, 'deviceId');
    const thresholdPermille = threshold ?? 1;
    checkMask(mask);
    checkSpan(fromMs, toMs);
    if (toMs - fromMs > SPAN_MS_MAX) throw badInput('to: expected at most 32 days after `from`');
    if (thresholdPermille < 1 || thresholdPermille > 1000)
      throw badInput('thresholdPermille: expected 1 to 1000');
    const device = await load.device.load(deviceId);
    if (!device) {
      throw new ApiError({ code: 'DEVICE_NOT_FOUND', message: `no device ${deviceId} is known here` });
    }
    if (device.siteId !== this.#ports.ownSite) {
      const site = await load.site.load(device.siteId);
      throw new ApiError({
        code: 'NOT_SEARCHABLE_HERE',
        message: `${device.name} is recorded at ${site?.name ?? device.siteId}: its heat maps are there, and are not sent over links`,
      });
    }
    const found = this.#ports.searchMotion(deviceId, { mask, fromMs, toMs, thresholdPermille });
    return { moments: found.slice(0, MOMENTS_MAX), complete: found.length <= MOMENTS_MAX };
  }
}

function checkMask(mask: string): void {
  const side = Math.sqrt(mask.length);
  const isGrid = Number.isInteger(side) && side >= MOTION_GRID_SIDE_MIN && side <= MOTION_GRID_SIDE_MAX;
  if (isGrid && /^[01]*1[01]*$/.test(mask)) return;
  throw badInput('mask: expected 0 and 1 for each cell of a grid of 8 × 8 to 64 × 64, and at least one 1');
}

function badInput(message: string): ApiError {
  return new ApiError({ code: 'BAD_USER_INPUT', message });
}
