import { findSiteDirectories, type SiteDirectoryVerification, verifySiteDirectory } from '@holdfast/sites';
import { EXIT_NO, EXIT_WRONG_USE, processLifetime } from './process-lifetime.js';

/** `holdfast verify DIR`: proves every site's data at or below a folder; names what is damaged. Returns the exit code. */
export async function verifyCommand(directory: string, options: { readonly json: boolean }): Promise<number> {
  const directories = findSiteDirectories(directory);
  if (directories.length === 0) {
    process.stderr.write(`holdfast: ${directory}: no data directory of a site at or below it\n`);
    return EXIT_WRONG_USE;
  }
  const lifetime = processLifetime();
  const sites: SiteDirectoryVerification[] = [];
  for (const siteDirectory of directories) {
    const site = await verifySiteDirectory(siteDirectory, lifetime);
    sites.push(site);
    if (!options.json) process.stdout.write(describe(site));
  }
  const damageCount = sites.reduce((sum, site) => sum + site.damages.length, 0);
  if (options.json) process.stdout.write(`${JSON.stringify({ proven: damageCount === 0, sites })}\n`);
  else process.stdout.write(damageCount === 0 ? 'all is proven\n' : `${damageCount} damaged\n`);
  return damageCount === 0 ? 0 : EXIT_NO;
}

function describe(site: SiteDirectoryVerification): string {
  const megabytes = (site.mediaBytes / 1e6).toFixed(1);
  const lines = [
    `${site.directory}: ${site.eventCount} events (${site.signedEventCount} signed), ${site.segmentCount} segments (${megabytes} MB)`,
    ...site.damages.map(({ where, code, detail }) => `  DAMAGED ${where} ${code}: ${detail}`),
  ];
  return `${lines.join('\n')}\n`;
}
