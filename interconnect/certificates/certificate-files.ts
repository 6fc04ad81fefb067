import { open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { makeFolder } from '../make-folder.js';
import type { CertificateAuthority, PeerCredentials } from './certificate-authority.js';

/** Nobody but the owner reads a key; certificates share the mode, since nobody else has a use for them. */
const FILE_MODE = 0o600;

const authorityFiles = { certificatePem: 'authority.crt.pem', privateKeyPem: 'authority.key.pem' } as const;
export const peerFiles = {
  certificatePem: 'server.crt.pem',
  privateKeyPem: 'server.key.pem',
  authorityPem: 'authority.crt.pem',
} as const;

export class CertificateFileError extends Error {
  override readonly name = 'CertificateFileError';
  readonly code = 'CERTIFICATE_FILE_UNREADABLE';
  readonly file: string;

  constructor(file: string, cause: unknown) {
    super(`cannot read ${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.file = file;
  }
}

/** Writes `authority.crt.pem` and `authority.key.pem` (mode 0600) into a directory that is made when missing. */
export function saveCertificateAuthority(directory: string, authority: CertificateAuthority): Promise<void> {
  return saveFiles(directory, authorityFiles, authority);
}

/** Null when there is no authority yet. Throws `CertificateFileError` when there is half of one. */
export function loadCertificateAuthority(directory: string): Promise<CertificateAuthority | null> {
  return loadFiles(directory, authorityFiles);
}

/** Writes `server.crt.pem`, `server.key.pem` and `authority.crt.pem` (mode 0600). */
export function savePeerCredentials(directory: string, credentials: PeerCredentials): Promise<void> {
  return saveFiles<keyof typeof peerFiles>(directory, peerFiles, credentials);
}

/** Null when there are none yet. Throws `CertificateFileError` when a part of them is missing. */
export function loadPeerCredentials(directory: string): Promise<PeerCredentials | null> {
  return loadFiles(directory, peerFiles);
}

async function saveFiles<Part extends string>(
  directory: string,
  files: Readonly<Record<Part, string>>,
  contents: Readonly<Record<Part, string>>,
): Promise<void> {
  makeFolder(directory);
  for (const part of Object.keys(files) as Part[]) {
    const target = path.join(directory, files[part]);
    const draft = `${target}.draft`;
    const handle = await open(draft, 'w', FILE_MODE);
    try {
      // The mode given to open is ignored for a draft that an interrupted earlier run left behind.
      await handle.chmod(FILE_MODE);
      await handle.writeFile(contents[part]);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, target);
  }
}

async function loadFiles<Part extends string>(
  directory: string,
  files: Readonly<Record<Part, string>>,
): Promise<Readonly<Record<Part, string>> | null> {
  const parts = Object.keys(files) as Part[];
  const contents = await Promise.allSettled(
    parts.map(part => readFile(path.join(directory, files[part]), 'utf8')),
  );
  const isMissing = (result: PromiseSettledResult<string>) =>
    result.status === 'rejected' && (result.reason as NodeJS.ErrnoException).code === 'ENOENT';
  if (contents.every(isMissing)) return null;
  const entries = parts.map((part, index) => {
    const result = contents[index]!;
    if (result.status === 'rejected') {
      throw new CertificateFileError(path.join(directory, files[part]), result.reason);
    }
    return [part, result.value] as const;
  });
  return Object.fromEntries(entries) as Record<Part, string>;
}
