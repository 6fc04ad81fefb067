import path from 'node:path';
import { issuePeerCredentials, loadCertificateAuthority, savePeerCredentials } from '@holdfast/interconnect';
import { readConfigurationOrReport } from './check.command.js';
import { EXIT_WRONG_USE } from './process-lifetime.js';
import { WrongUseError } from './wrong-use-error.js';

/**
 * `holdfast renew FILE --central DIR`: another certificate and key for the site of a configuration, before or after the ones that it
 * has expire. Peers know it by its id and the authority, so nothing else changes. Returns the exit code.
 */
export async function renewCommand(file: string, { central }: { readonly central: string }): Promise<number> {
  const configuration = readConfigurationOrReport(file);
  if (configuration === null) return EXIT_WRONG_USE;
  const { credentials, role, site } = configuration;
  if (credentials === undefined)
    throw new WrongUseError(`${file}: expected credentials: a folder to write into`);
  const authority = await loadCertificateAuthority(path.join(central, 'authority'));
  if (authority === null) {
    throw new WrongUseError(`--central ${central}: expected authority/ there, as holdfast init wrote it`);
  }
  const directory = path.resolve(path.dirname(file), credentials);
  const nowMs = Date.now();
  await savePeerCredentials(directory, await issuePeerCredentials(authority, { site: site.id, role, nowMs }));
  process.stdout.write(
    `${directory} has a new certificate and key of the ${role} ${site.name}. Start it again with them:  holdfast run ${file}\n`,
  );
  return 0;
}
