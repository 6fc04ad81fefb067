import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CertificateFaults, type FileFault, fileFaultInWords } from '@holdfast/interconnect';
import { siteLogKeyFileOf } from '@holdfast/sites';
import type { AnyConfiguration } from './central-configuration.js';

export interface NamedFileFault extends FileFault {
  /** The setting that names the file. */
  readonly path: readonly (string | number)[];
}

/**
 * What is wrong with the certificates, keys and passwords that a configuration names, as whoever needs them would find out later:
 * this process at its start, or a peer that refuses it.
 */
export function faultsOfNamedFiles(
  configuration: AnyConfiguration,
  { baseDirectory, nowMs }: { readonly baseDirectory: string; readonly nowMs: number },
): readonly NamedFileFault[] {
  const certificates = new CertificateFaults(nowMs);
  const found: NamedFileFault[] = [];
  const add = (path: NamedFileFault['path'], faults: readonly FileFault[]) => {
    for (const fault of faults) found.push({ path, ...fault });
  };
  const at = (named: string) => path.resolve(baseDirectory, named);
  const { credentials, data, site } = configuration;
  if (credentials !== undefined) add(['credentials'], certificates.ofCredentials(at(credentials), site.id));
  else if (configuration.parent !== undefined) {
    const message = 'expected credentials: the folder of the certificate by which the parent knows this site';
    add(['parent'], [{ message, isWarning: false }]);
  }
  add(['data'], faultsOfLogKey(siteLogKeyFileOf(at(data)), certificates));
  for (const [index, { mediaPasswordFile }] of configuration.recordingServers.entries()) {
    if (mediaPasswordFile === undefined) continue;
    add(['recordingServers', index, 'mediaPasswordFile'], faultsOfPassword(at(mediaPasswordFile)));
  }
  if (configuration.role === 'site') return found;
  for (const [index, child] of configuration.children.entries()) {
    add(['children', index, 'certificate'], certificates.ofPeer(at(child.certificate), child.id));
  }
  const signIn = configuration.backbone?.kafka.signIn;
  if (signIn !== undefined) {
    add(['backbone', 'kafka', 'signIn', 'passwordFile'], faultsOfPassword(at(signIn.passwordFile)));
  }
  return found;
}

/** Made by `init`, or copied to a node beside the process with the own log. Without it this would be another site. */
function faultsOfLogKey(file: string, certificates: CertificateFaults): readonly FileFault[] {
  if (existsSync(file)) return certificates.ofKey(file);
  const message = `${file}: expected the key with which the log is signed, as holdfast init made it: is its disk there?`;
  return [{ message, isWarning: false }];
}

function faultsOfPassword(file: string): readonly FileFault[] {
  const wrong = (message: string) => [{ message: `${file}: ${message}`, isWarning: false }];
  try {
    return readFileSync(file, 'utf8').trim() === '' ? wrong('expected a password: the file is empty') : [];
  } catch (error) {
    return wrong(`expected a password there: ${fileFaultInWords(error)}`);
  }
}
