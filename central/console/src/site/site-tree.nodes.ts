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

/** The visible lines of the tree in order: a site, its devices, then the sites beneath it. A filter opens what it finds. */
export function treeNodes(directory: SiteDirectory, closed: ReadonlySet<string>, filter: string): TreeNode[] {
  const wanted = filter.trim().toLowerCase();
  const nodes: TreeNode[] = [];
  const has = (text: string): boolean => text.toLowerCase().includes(wanted);
  const visit = (site: Site, level: number): void => {
    const start = nodes.length;
    const open = wanted !== '' || !closed.has(site.id);
    nodes.push({ kind: 'site', id: site.id, level, site, open });
    if (!open) return;
    for (const device of directory.devices.filter(item => item.site.id === site.id).sort(byTypeThenName))
      if (wanted === '' || has(device.name) || has(site.name))
        nodes.push({ kind: 'device', id: device.id, level: level + 1, device, site });
    for (const child of directory.sites.filter(item => item.parent?.id === site.id)) visit(child, level + 1);
    if (wanted !== '' && nodes.length === start + 1 && !has(site.name)) nodes.pop();
  };
  const present = new Set(directory.sites.map(site => site.id));
  for (const site of directory.sites)
    if (site.parent === null || !present.has(site.parent.id)) visit(site, 0);
  return nodes;
}
