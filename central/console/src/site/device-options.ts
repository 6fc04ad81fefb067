import type { SiteDirectory } from './site-directory';

/** More nobody reads: what is written finds the others. */
export const OPTIONS_SHOWN_MAX = 200;

/** Devices to choose from, grouped by site. */
export function deviceOptions({ sites, devices }: SiteDirectory) {
  const devicesOf = Map.groupBy(devices, ({ site }) => site.id);
  return sites
    .map(({ id, name }) => ({
      group: name,
      items: (devicesOf.get(id) ?? []).map(device => ({ value: device.id, label: device.name })),
    }))
    .filter(group => group.items.length > 0);
}
