import { existsSync } from 'node:fs';
import path from 'node:path';
import { runSite, siteLogKeyFileOf } from '@holdfast/sites';
import type { Logger } from 'pino';
import { LogKeyMissingError, runBackboneNode } from '../backbone-node.js';
import { runCentral } from '../central.js';
import { faultsOfNamedFiles } from '../configuration/named-files.js';
import { readConfigurationOrReport } from './check.command.js';
import {
  createLogger,
  EXIT_NO,
  EXIT_WRONG_USE,
  processLifetime,
  reportChildKnown,
  reportReady,
} from './process-lifetime.js';

/** Closing files and telling peers takes a second; what hangs longer is ended, so that a supervisor can start anew. */
const ENDING_MS_MAX = 12_000;

/** `holdfast run FILE`: until Ctrl-C, SIGTERM, or the death of the process that started it. */
export async function runCommand(file: string): Promise<number> {
  const configuration = readConfigurationOrReport(file);
  if (configuration === null) return EXIT_WRONG_USE;
  const logger = createLogger(configuration.site.name);
  // Paths in a configuration file start at its own folder.
  const baseDirectory = path.dirname(path.resolve(file));
  const logKey = siteLogKeyFileOf(path.resolve(baseDirectory, configuration.data));
  if (!existsSync(logKey)) {
    throw new LogKeyMissingError(
      `LOG_KEY_MISSING: ${logKey}: expected the key with which the log is signed, as holdfast init made it, or a copy. Is the disk of \
${path.dirname(path.dirname(logKey))} there? Without it this would begin as another site`,
    );
  }
  for (const fault of faultsOfNamedFiles(configuration, { baseDirectory, nowMs: Date.now() })) {
    logger[fault.isWarning ? 'warn' : 'error']({ setting: fault.path.join('.') }, fault.message);
  }
  const options = {
    baseDirectory,
    logger,
    onReady: reportReady,
    onEnding: () => endInTime(logger),
  };
  const lifetime = processLifetime();
  if (configuration.role === 'site') await runSite({ ...options, configuration }, lifetime);
  else if (configuration.backbone && !configuration.backbone.roles.includes('api')) {
    const node = { ...configuration, backbone: configuration.backbone };
    await runBackboneNode({ ...options, configuration: node }, lifetime);
  } else await runCentral({ ...options, configuration, onChildKnown: reportChildKnown }, lifetime);
  return 0;
}

function endInTime(logger: Logger): void {
  const hangs = () => {
    logger.fatal(
      `did not end within ${ENDING_MS_MAX} ms: ended by force; what was acknowledged is on the disk`,
    );
    process.exit(EXIT_NO);
  };
  setTimeout(hangs, ENDING_MS_MAX).unref();
}
