import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { makeFolder } from '@holdfast/interconnect';
import { jwtVerify, SignJWT } from 'jose';

/** Users of such systems expect an hour. */
export const ACCESS_TOKEN_SECONDS = 3600;
const ALGORITHM = 'HS256';
const AUDIENCE = 'holdfast';
const KEY_BYTES = 32;

/** Issues and checks bearer tokens: JSON Web Tokens (RFC 7519), signed with a key that never leaves this central. */
export class AccessTokens {
  readonly #key: Uint8Array;
  readonly #issuer: string;
  readonly #now: () => number;

  private constructor(key: Uint8Array, issuer: string, now: () => number) {
    this.#key = key;
    this.#issuer = issuer;
    this.#now = now;
  }

  /** The key is made at the first start and kept in `keys/tokens.key` (mode 0600). */
  static load(options: {
    readonly dataDirectory: string;
    readonly issuer: string;
    readonly now: () => number;
  }) {
    const directory = path.join(options.dataDirectory, 'keys');
    const file = path.join(directory, 'tokens.key');
    if (!existsSync(file)) {
      makeFolder(directory);
      writeFileSync(`${file}.new`, randomBytes(KEY_BYTES), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    }
    return new AccessTokens(readFileSync(file), options.issuer, options.now);
  }

  issue(userName: string): Promise<string> {
    const issuedAtSeconds = Math.floor(this.#now() / 1000);
    return new SignJWT({})
      .setProtectedHeader({ alg: ALGORITHM, typ: 'at+jwt' })
      .setSubject(userName)
      .setIssuer(this.#issuer)
      .setAudience(AUDIENCE)
      .setIssuedAt(issuedAtSeconds)
      .setExpirationTime(issuedAtSeconds + ACCESS_TOKEN_SECONDS)
      .sign(this.#key);
  }

  /** The user's name, or null for a token that is not ours, is changed, or has expired. */
  async userOf(token: string): Promise<string | null> {
    try {
      const { payload } = await jwtVerify(token, this.#key, {
        algorithms: [ALGORITHM],
        issuer: this.#issuer,
        audience: AUDIENCE,
        currentDate: new Date(this.#now()),
      });
      return payload.sub ?? null;
    } catch {
      return null;
    }
  }
}

/** The token in an `Authorization: Bearer …` header (RFC 6750 §2.1), or null. */
export function bearerToken(authorization: string | undefined): string | null {
  return /^Bearer ([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1] ?? null;
}
