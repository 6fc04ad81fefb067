import { createHash } from 'node:crypto';
import {
  type Challenge,
  chooseChallenge,
  formatBasicAuthorization,
  formatDigestAuthorization,
  type RtspResponse,
} from '@holdfast/core';
import { CameraSessionError } from './camera-session-error.js';
import type { CameraCredentials } from './driver.js';

/** So often one request is repeated with a new nonce. Some cameras call every nonce stale. */
const ATTEMPTS_MAX = 3;

/**
 * What is known of a camera's challenge. It outlives the connection: cameras exist that close after every 401, and
 * the next connection can then answer at once.
 */
export class CameraAuthorisation {
  readonly #credentials: CameraCredentials | null;
  readonly #random: () => number;
  /** Null: it has them, or none are configured. */
  readonly #withheldBecause: string | null;
  #challenge: Challenge | null = null;
  #nonceCount = 0;

  constructor(options: {
    readonly credentials: CameraCredentials | null;
    readonly random: () => number;
    readonly withheldBecause?: string | null;
  }) {
    this.#credentials = options.credentials;
    this.#random = options.random;
    this.#withheldBecause = options.withheldBecause ?? null;
  }

  /** With the same user name and password, and without what this server has asked for. */
  ofAnotherServer(): CameraAuthorisation {
    return new CameraAuthorisation({
      ...{ credentials: this.#credentials, random: this.#random, withheldBecause: this.#withheldBecause },
    });
  }

  /** For a server that must not see user name and password: when it asks for them, `because` says why it gets none. */
  withheld(because: string): CameraAuthorisation {
    if (this.#credentials === null) return this;
    return new CameraAuthorisation({ credentials: null, random: this.#random, withheldBecause: because });
  }

  /** The `Authorization` of a request, `null` as long as the camera has not asked. */
  header(method: string, uri: string): string | null {
    const credentials = this.#credentials;
    if (this.#challenge === null || credentials === null) return null;
    if (this.#challenge.scheme === 'Basic')
      return formatBasicAuthorization(credentials.userName, credentials.password);
    this.#nonceCount += 1;
    return formatDigestAuthorization({
      challenge: this.#challenge,
      ...credentials,
      method,
      uri,
      nonceCount: this.#nonceCount,
      clientNonce: this.#clientNonce(),
      hash: (algorithm, text) =>
        createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
          .update(text)
          .digest('hex'),
    });
  }

  /**
   * Takes the challenge of a 401. `attempt`: how often this request was sent. Returns when it makes sense to send it once more.
   * @throws CameraSessionError
   */
  challenged(response: Pick<RtspResponse, 'headers'>, attempt: number): void {
    const challenge = chooseChallenge(response.headers.get('www-authenticate') ?? []);
    const answered = this.#challenge;
    if (challenge === null)
      throw new CameraSessionError(
        'CHALLENGE_UNKNOWN',
        'UNAUTHORIZED',
        'the camera asks for an authentication other than Basic and Digest (MD5, SHA-256)',
      );
    if (this.#withheldBecause !== null)
      throw new CameraSessionError('CREDENTIALS_WITHHELD', 'UNAUTHORIZED', this.#withheldBecause);
    if (this.#credentials === null)
      throw new CameraSessionError(
        'CREDENTIALS_NEEDED',
        'UNAUTHORIZED',
        'the camera asks for a user name and password and none are configured',
      );
    this.#challenge = challenge;
    this.#nonceCount = 0;
    // A first answer may fail because its nonce was of an earlier connection; the second is judged on the password alone.
    const mayRetry = answered === null || (challenge.scheme === 'Digest' && challenge.stale) || attempt === 1;
    if (!mayRetry || attempt >= ATTEMPTS_MAX) {
      this.#challenge = null;
      throw new CameraSessionError(
        'CREDENTIALS_REFUSED',
        'UNAUTHORIZED',
        `the camera refuses the user name and password (user ${this.#credentials.userName})`,
      );
    }
  }

  #clientNonce(): string {
    const word = () =>
      Math.floor(this.#random() * 2 ** 32)
        .toString(16)
        .padStart(8, '0');
    return word() + word();
  }
}
