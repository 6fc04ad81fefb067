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
/** One for all: a comparison by `localeCompare` costs ten times as much. */
const compareNames = new Intl.Collator(undefined, { numeric: true }).compare;
const byTypeThenName = (a: Device, b: Device): number =>
  SHOWN_TYPES.indexOf(a.type) - SHOWN_TYPES.indexOf(b.type) || compareNames(a.name, b.name);

/** With more sites than this, only those that have sites beneath them are open by themselves: nobody reads thousands of lines. */
export const SITES_OPEN_MAX = 30;

/** What a filter finds beyond these lines, more of the name finds. */
export const LINES_FOUND_MAX = 500;

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
    if (wanted !== '' && nodes.length >= LINES_FOUND_MAX) return;
    const start = nodes.length;
    const beneath = sitesBeneath.get(site.id) ?? [];
    const byItself = sites.length <= SITES_OPEN_MAX || beneath.length > 0;
    const open = wanted !== '' || byItself !== toggled.has(site.id);
    nodes.push({ kind: 'site', id: site.id, level, site, open });
    if (!open) return;
    const found = (devicesOf.get(site.id) ?? []).filter(
      device => wanted === '' || has(device.name) || has(site.name),
    );
    for (const device of found.toSorted(byTypeThenName))
      nodes.push({ kind: 'device', id: device.id, level: level + 1, device, site });
    for (const child of beneath) visit(child, level + 1);
    if (wanted !== '' && nodes.length === start + 1 && !has(site.name)) nodes.pop();
  };
  for (const site of sites) if (!isBeneath(site)) visit(site, 0);
  return nodes;
}
