import type { Storage } from '@holdfast/core';
import { type MediaKeyring, MediaPasswordError } from '../media-database/media-keyring.js';
import { openMediaKeyring } from '../media-database/open-media-keyring.js';
import type { ObjectStoreAccess } from '../object-store/object-store.js';
import { stagesOf } from './server-storages.js';

export interface MediaLockOptions {
  readonly dir: string;
  readonly storages: readonly Storage[];
  readonly objectStores?: readonly ObjectStoreAccess[] | undefined;
  /** As it is given now; null: it is not. Throws `MediaPasswordError`. */
  readonly readPassword: () => string | null;
}

/**
 * Opens what storages encrypt, with their password. As long as that is not given, or wrong, nothing is recorded into those storages:
 * never in the clear instead. It is asked for again and again, so that a password that is put right counts without a restart.
 */
export class MediaLock {
  readonly #options: MediaLockOptions;
  #closed: MediaPasswordError | null = null;
  /** A try takes half a second and 128 MB: the same password is not tried twice. */
  #tried: string | null = null;

  constructor(options: MediaLockOptions) {
    this.#options = options;
  }

  /** Why it is locked; null: it is open, or there is nothing to open. */
  get closed(): MediaPasswordError | null {
    return this.#closed;
  }

  /**
   * Null: it stays locked, or nothing is, or was, encrypted. `take` gets what was opened; when it throws, all is as it was, and
   * is tried again the next time.
   */
  async open(take: (keyring: MediaKeyring) => Promise<void> = async () => {}): Promise<MediaKeyring | null> {
    const { dir, storages, objectStores, readPassword } = this.#options;
    const create = storages.some(({ isEncrypted }) => isEncrypted);
    let password: string | null = null;
    try {
      password = readPassword();
      if (password === null) {
        this.#closed = create ? missing() : null;
        return null;
      }
      if (password === this.#tried) return null;
      const keyring = await openMediaKeyring({
        dir,
        stages: stagesOf(storages),
        objectStores,
        password,
        create,
      });
      if (keyring !== null) await take(keyring);
      this.#closed = null;
      return keyring;
    } catch (error) {
      if (!(error instanceof MediaPasswordError)) throw error;
      this.#tried = password;
      this.#closed = error;
      return null;
    }
  }
}

function missing(): MediaPasswordError {
  return new MediaPasswordError(
    'MEDIA_PASSWORD_MISSING',
    'it is encrypted: give its password as mediaPasswordFile, or as HOLDFAST_MEDIA_PASSWORD in the environment',
  );
}
