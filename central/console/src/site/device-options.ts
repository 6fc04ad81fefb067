import type { SiteDirectory } from './site-directory';

/** More nobody reads: what is written finds the others. */
export const OPTIONS_SHOWN_MAX = 200;

interface DeviceGroup {
  readonly group: string;
  readonly items: { readonly value: string; readonly label: string }[];
}
/** A list to choose from is taken apart anew whenever it is another one: of thousands of devices that takes long. */
const known = new WeakMap<SiteDirectory, DeviceGroup[]>();

/** Devices to choose from, grouped by site. */
export function deviceOptions(directory: SiteDirectory): DeviceGroup[] {
  const options = known.get(directory) ?? groupsOf(directory);
  known.set(directory, options);
  return options;
}

function groupsOf({ sites, devices }: SiteDirectory): DeviceGroup[] {
  const devicesOf = Map.groupBy(devices, ({ site }) => site.id);
  return sites
    .map(({ id, name }) => ({
      group: name,
      items: (devicesOf.get(id) ?? []).map(device => ({ value: device.id, label: device.name })),
    }))
    .filter(group => group.items.length > 0);
}
