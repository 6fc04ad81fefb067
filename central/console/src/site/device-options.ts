import type { SiteDirectory } from './site-directory';

/** Devices to choose from, grouped by site. */
export function deviceOptions(directory: SiteDirectory) {
  return directory.sites
    .map(site => ({
      group: site.name,
      items: directory.devices
        .filter(device => device.site.id === site.id)
        .map(device => ({ value: device.id, label: device.name })),
    }))
    .filter(group => group.items.length > 0);
}
