import { DeviceId, type SiteId } from '@holdfast/schema';
import type { ApiContext } from './api-context.js';
import { ApiError } from './api-error.js';
import { parseId } from './arguments.js';

/** As many as an evidence lock may have. */
const DEVICES_MAX = 1000;

/** The devices, and the one site that they all belong to. Throws `ApiError` naming those that stand in the way. */
export async function siteOfDevices(
  ids: readonly string[],
  { load }: ApiContext,
): Promise<{ readonly siteId: SiteId; readonly deviceIds: readonly DeviceId[] }> {
  const deviceIds = [...new Set(ids.map(id => parseId(DeviceId, id, 'deviceIds')))];
  if (deviceIds.length === 0 || deviceIds.length > DEVICES_MAX) {
    throw new ApiError({
      code: 'BAD_USER_INPUT',
      message: `deviceIds: expected 1 to ${DEVICES_MAX} devices, got ${deviceIds.length}`,
    });
  }
  const devices = await load.device.loadMany(deviceIds);
  const unknown = deviceIds.filter(id => !devices.some(device => device.id === id));
  if (unknown.length > 0) {
    throw new ApiError({
      code: 'DEVICE_NOT_FOUND',
      message: `no device ${unknown.join(', ')} is known here`,
    });
  }
  const siteIds = [...new Set(devices.map(device => device.siteId))];
  if (siteIds.length > 1) {
    const sites = await load.site.loadMany(siteIds);
    const parts = siteIds.map(siteId => {
      const names = devices.filter(device => device.siteId === siteId).map(device => device.name);
      return `${names.join(', ')} at ${sites.find(site => site.id === siteId)?.name ?? siteId}`;
    });
    throw new ApiError({
      code: 'SITES_DIFFER',
      message: `the devices belong to ${siteIds.length} sites: ${parts.join('; ')}. Create one lock for each site`,
    });
  }
  return { siteId: siteIds[0] as SiteId, deviceIds };
}
