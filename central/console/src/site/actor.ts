import type { SiteDirectory } from './site-directory';

/** Who did it, as people say it: `user:admin` is admin, `server:…` the recording server, `site:…` the site itself. */
export function actorInWords(actor: string, { sites, siteById }: SiteDirectory): string {
  const [kind = '', ...rest] = actor.split(':');
  const name = rest.join(':');
  if (kind === 'user') return name;
  if (kind === 'site') return siteById.get(name)?.name ?? actor;
  if (kind !== 'server') return actor;
  for (const site of sites) {
    const server = site.recordingServers.find(({ id }) => id === name);
    if (server !== undefined) return `${server.name}, ${site.name}`;
  }
  return actor;
}
