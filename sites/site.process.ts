// Runs the site of a configuration file in a process of its own, for a test to kill: FILE.
import path from 'node:path';
import { pino } from 'pino';
import { readConfigurationFile } from './configuration/configuration-file.js';
import { SiteConfiguration } from './configuration/site-configuration.js';
import { runSite } from './site.js';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('a configuration file is needed');

const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.once('disconnect', () => stop.abort());
await runSite(
  {
    configuration: readConfigurationFile(file, SiteConfiguration),
    baseDirectory: path.dirname(path.resolve(file)),
    logger: pino({ level: 'error' }, process.stderr),
    onReady: address => process.send?.(address),
    onEnding: () => undefined,
  },
  stop.signal,
);
process.exit(0);
