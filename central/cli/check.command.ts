import path from 'node:path';
import { ConfigurationError, describeFault, locateFaults, readConfigurationFile } from '@holdfast/sites';
import { AnyConfiguration } from '../configuration/central-configuration.js';
import { faultsOfNamedFiles } from '../configuration/named-files.js';
import { EXIT_WRONG_USE } from './process-lifetime.js';

/**
 * `holdfast check FILE`: validates a configuration, and the certificates, keys and passwords that it names, without starting it.
 * Returns the exit code.
 */
export function checkCommand(file: string): number {
  const configuration = readConfigurationOrReport(file);
  if (configuration === null) return EXIT_WRONG_USE;
  const baseDirectory = path.dirname(path.resolve(file));
  const faults = faultsOfNamedFiles(configuration, { baseDirectory, nowMs: Date.now() });
  const said = faults.map(({ isWarning, message, ...fault }) => ({
    ...{ ...fault, message: isWarning ? `warning: ${message}` : message },
  }));
  for (const fault of locateFaults(file, said)) process.stderr.write(`${describeFault(file, fault)}\n`);
  if (!faults.every(fault => fault.isWarning)) return EXIT_WRONG_USE;
  process.stdout.write(
    `${file}: a valid configuration of the ${configuration.role} ${configuration.site.name}\n`,
  );
  return 0;
}

/** Null after having written every fault to standard error, each with its line and what was expected. */
export function readConfigurationOrReport(file: string): AnyConfiguration | null {
  try {
    return readConfigurationFile(file, AnyConfiguration);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const fault of error.faults) process.stderr.write(`${describeFault(file, fault)}\n`);
    return null;
  }
}
