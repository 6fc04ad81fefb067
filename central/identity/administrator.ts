import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '@holdfast/interconnect';

export const ADMINISTRATOR_NAME = 'admin';
/** 144 bits, in letters and digits that a person can type. */
const PASSWORD_BYTES = 18;

/** The one user there is until roles come. The password is made at the first start and kept in a file (mode 0600). */
export class Administrator {
  readonly name = ADMINISTRATOR_NAME;
  readonly #passwordDigest: Buffer;

  private constructor(password: string) {
    this.#passwordDigest = digest(password);
  }

  static load(dataDirectory: string): Administrator {
    const file = administratorPasswordFile(dataDirectory);
    if (!existsSync(file)) {
      makeFolder(dataDirectory);
      writeFileSync(`${file}.new`, `${randomBytes(PASSWORD_BYTES).toString('base64url')}\n`, { mode: 0o600 });
      renameSync(`${file}.new`, file);
    }
    return new Administrator(readFileSync(file, 'utf8').trim());
  }

  /** Takes as long for a wrong name as for a wrong password. */
  isSignedInBy({ userName, password }: { readonly userName: string; readonly password: string }): boolean {
    const passwordRight = timingSafeEqual(digest(password), this.#passwordDigest);
    const nameRight = timingSafeEqual(digest(userName), digest(this.name));
    return passwordRight && nameRight;
  }
}

export function administratorPasswordFile(dataDirectory: string): string {
  return path.join(dataDirectory, 'administrator.password');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
