import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import type { SiteId } from '@holdfast/schema';
import { rawPublicKey } from './log/ed25519-notes.js';
import { type LogAdmissions, readLogAdmissions } from './log/log-admissions.js';
import { siteLogFileOf } from './site-directory.js';
import { siteLogKeyFileOf } from './site-keys.js';

/** A file that is larger holds no key. */
const KEY_FILE_BYTES_MAX = 64 * 1024;

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

function readLogPublicKey(directory: string): Uint8Array | null {
  const read = readLogKey(directory);
  return 'key' in read ? rawPublicKey(read.key) : null;
}

/** The public key by which a log's signatures are checked, or why it is not known. In a copy for others it may stand for the private one. */
export function readLogKey(directory: string): { readonly key: KeyObject } | { readonly why: string } {
  const file = siteLogKeyFileOf(directory);
  try {
    const found = statSync(file);
    // A device does not say how long it is.
    if (!found.isFile() || found.size > KEY_FILE_BYTES_MAX)
      throw new RangeError(`it is no file of at most ${KEY_FILE_BYTES_MAX} bytes`);
    const key = createPublicKey(readFileSync(file));
    if (key.asymmetricKeyType !== 'ed25519') throw new TypeError(`it is of ${key.asymmetricKeyType}`);
    return { key };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { why: `${file}: expected the log's Ed25519 key in PEM, private or public (${why})` };
  }
}
