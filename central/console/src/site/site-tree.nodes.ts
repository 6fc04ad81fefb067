import type { Device, Site, SiteDirectory } from './site-directory';

export type TreeNode =
  | {
      readonly kind: 'site';
      readonly id: string;
      readonly level: number;
      readonly site: Site;
      readonly open: boolean;
    }
  | {
      readonly kind: 'device';
      readonly id: string;
      readonly level: number;
      readonly device: Device;
      readonly site: Site;
    };

const SHOWN_TYPES = ['CAMERA', 'MICROPHONE', 'SPEAKER', 'METADATA', 'INPUT', 'OUTPUT'];
const byTypeThenName = (a: Device, b: Device): number =>
  SHOWN_TYPES.indexOf(a.type) - SHOWN_TYPES.indexOf(b.type) ||
  a.name.localeCompare(b.name, undefined, { numeric: true });

/** With more sites than this, only those that have sites beneath them are open by themselves: nobody reads thousands of lines. */
export const SITES_OPEN_MAX = 30;

/**
 * The visible lines of the tree in order: a site, its devices, then the sites beneath it. `toggled`: what somebody has opened or closed.
 * A filter opens what it finds.
 */
export function treeNodes(
  { sites, devices }: Pick<SiteDirectory, 'sites' | 'devices'>,
  toggled: ReadonlySet<string>,
  filter: string,
): TreeNode[] {
  const wanted = filter.trim().toLowerCase();
  const nodes: TreeNode[] = [];
  const has = (text: string): boolean => text.toLowerCase().includes(wanted);
  const devicesOf = Map.groupBy(devices, ({ site }) => site.id);
  const present = new Set(sites.map(site => site.id));
  const isBeneath = ({ parent }: Site) => parent !== null && present.has(parent.id);
  const sitesBeneath = Map.groupBy(sites.filter(isBeneath), ({ parent }) => parent!.id);
  const visit = (site: Site, level: number): void => {
    const start = nodes.length;
    const beneath = sitesBeneath.get(site.id) ?? [];
    const byItself = sites.length <= SITES_OPEN_MAX || beneath.length > 0;
    const open = wanted !== '' || byItself !== toggled.has(site.id);
    nodes.push({ kind: 'site', id: site.id, level, site, open });
    if (!open) return;
    for (const device of (devicesOf.get(site.id) ?? []).toSorted(byTypeThenName))
      if (wanted === '' || has(device.name) || has(site.name))
        nodes.push({ kind: 'device', id: device.id, level: level + 1, device, site });
    for (const child of beneath) visit(child, level + 1);
    if (wanted !== '' && nodes.length === start + 1 && !has(site.name)) nodes.pop();
  };
  for (const site of sites) if (!isBeneath(site)) visit(site, 0);
  return nodes;
}
