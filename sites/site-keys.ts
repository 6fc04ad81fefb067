import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '@holdfast/interconnect';
import { generateSealingKey } from './credentials/sealed-credentials.js';

/** The keys that make a site itself. Made at its first start, kept in `keys/` (mode 0600), never anywhere else. */
export interface SiteKeys {
  /** Ed25519: signs the checkpoints of the log. */
  readonly logKey: KeyObject;
  /** X25519: opens what was sealed to this site. */
  readonly sealingKeyPem: string;
}

export function siteLogKeyFileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'keys', 'log.key.pem');
}

/** Null: it is not there, as where a data directory was copied without its keys. */
export function readSealingKey(dataDirectory: string): string | null {
  const file = sealingKeyFileOf(dataDirectory);
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

function sealingKeyFileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'keys', 'sealing.key.pem');
}

export function loadSiteKeys(dataDirectory: string): SiteKeys {
  const directory = path.join(dataDirectory, 'keys');
  makeFolder(directory);
  const logKeyPem = loadOrCreate(siteLogKeyFileOf(dataDirectory), () =>
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
  const sealingKeyPem = loadOrCreate(
    sealingKeyFileOf(dataDirectory),
    () => generateSealingKey().privateKeyPem,
  );
  return { logKey: createPrivateKey(logKeyPem), sealingKeyPem };
}

function loadOrCreate(file: string, create: () => string): string {
  if (existsSync(file)) return readFileSync(file, 'utf8');
  const content = create();
  writeFileSync(`${file}.new`, content, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return content;
}
