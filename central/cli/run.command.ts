import path from 'node:path';
import { runSite } from '@holdfast/sites';
import { runCentral } from '../central.js';
import { readConfigurationOrReport } from './check.command.js';
import {
  createLogger,
  EXIT_WRONG_USE,
  processLifetime,
  reportChildKnown,
  reportReady,
} from './process-lifetime.js';

/** `holdfast run FILE`: until Ctrl-C, SIGTERM, or the death of the process that started it. */
export async function runCommand(file: string): Promise<number> {
  const configuration = readConfigurationOrReport(file);
  if (configuration === null) return EXIT_WRONG_USE;
  const options = {
    // Paths in a configuration file start at its own folder.
    baseDirectory: path.dirname(path.resolve(file)),
    logger: createLogger(configuration.site.name),
    onReady: reportReady,
  };
  const lifetime = processLifetime();
  if (configuration.role === 'site') await runSite({ ...options, configuration }, lifetime);
  else await runCentral({ ...options, configuration, onChildKnown: reportChildKnown }, lifetime);
  return 0;
}
