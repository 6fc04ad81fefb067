import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { SiteConfiguration } from '../configuration/site-configuration.js';
import { siteLogFileOf } from '../site-directory.js';
import { openSiteServers } from '../site-servers.js';

/** One start of a site over the log in a directory, or of nothing but SQLite over it, in a process of its own. */
const [directory, kind, configuration] = process.argv.slice(2) as [string, 'SITE' | 'FLOOR', string];
const settings = SiteConfiguration.parse(JSON.parse(configuration));
const beganMs = performance.now();
if (kind === 'FLOOR') {
  using db = new DatabaseSync(siteLogFileOf(directory), { readOnly: true });
  db.prepare('SELECT * FROM event ORDER BY 1 DESC LIMIT 1').get();
  console.log(performance.now() - beganMs);
} else {
  const logger = pino({ level: 'error' }, pino.destination(2));
  await using servers = await openSiteServers({
    ...{ configuration: settings, baseDirectory: directory, pins: () => [], logger },
  });
  console.log(performance.now() - beganMs);
  if (servers.management.state.hardware.size === 0) throw new Error('the site knows no hardware');
}
