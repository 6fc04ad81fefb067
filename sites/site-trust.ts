import { createPrivateKey } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import type { SiteId } from '@holdfast/schema';
import { rawPublicKey } from './log/ed25519-notes.js';
import { type LogAdmissions, readLogAdmissions } from './log/log-admissions.js';
import { siteLogFileOf } from './site-directory.js';
import { siteLogKeyFileOf } from './site-keys.js';

/** A site whose data directory is at hand: by which key it signs, and whom its log lets report, by which keys. */
export interface SiteTrust extends LogAdmissions {
  readonly site: SiteId;
  /** Raw Ed25519. Null: the directory was copied without its keys. */
  readonly publicKey: Uint8Array | null;
}

/** As its log says now, whether or not the site runs. Null: the log is not in the directory. Throws `SiteLogFileError`. */
export function readSiteTrust(directory: string): SiteTrust | null {
  const file = siteLogFileOf(directory);
  if (!existsSync(file)) return null;
  return { ...readLogAdmissions(file), publicKey: readLogPublicKey(directory) };
}

export function readLogPublicKey(directory: string): Uint8Array | null {
  const keyFile = siteLogKeyFileOf(directory);
  return existsSync(keyFile) ? rawPublicKey(createPrivateKey(readFileSync(keyFile))) : null;
}
