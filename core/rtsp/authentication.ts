import { encodeBase64 } from '../log/base64.js';

export interface DigestChallenge {
  readonly scheme: 'Digest';
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | null;
  /** As written by the server, e.g. `SHA-256`; `null` means MD5. */
  readonly algorithm: 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess' | null;
  readonly qualityOfProtection: 'auth' | null;
  /** The nonce was too old, not the password wrong: answer again with the new one. */
  readonly stale: boolean;
}

export type Challenge = DigestChallenge | { readonly scheme: 'Basic'; readonly realm: string };

const knownAlgorithms = ['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess'] as const;

/**
 * The challenge to answer out of all `WWW-Authenticate` values (RFC 7616 §3.7): SHA-256 before MD5 before Basic. `null`:
 * none that we can answer.
 */
export function chooseChallenge(values: readonly string[]): Challenge | null {
  const challenges = values.map(parseChallenge).filter(challenge => challenge !== null);
  return (
    challenges.find(one => one.scheme === 'Digest' && (one.algorithm ?? '').startsWith('SHA-256')) ??
    challenges.find(one => one.scheme === 'Digest') ??
    challenges[0] ??
    null
  );
}

function parseChallenge(value: string): Challenge | null {
  const scheme = /^\s*(Digest|Basic)\s*/i.exec(value);
  if (!scheme) return null;
  const parameters = parseParameters(value.slice(scheme[0].length));
  const realm = parameters.get('realm') ?? '';
  if (scheme[1]!.toLowerCase() === 'basic') return { scheme: 'Basic', realm };
  const nonce = parameters.get('nonce');
  if (nonce === undefined) return null;
  const named = parameters.get('algorithm');
  const algorithm = knownAlgorithms.find(known => known.toLowerCase() === named?.toLowerCase());
  if (named !== undefined && algorithm === undefined) return null;
  const offered = (parameters.get('qop') ?? '').split(',').map(one => one.trim().toLowerCase());
  return {
    scheme: 'Digest',
    realm,
    nonce,
    opaque: parameters.get('opaque') ?? null,
    algorithm: algorithm ?? null,
    qualityOfProtection: offered.includes('auth') ? 'auth' : null,
    stale: parameters.get('stale')?.toLowerCase() === 'true',
  };
}

function parseParameters(text: string): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const found of text.matchAll(/([a-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/gi))
    parameters.set(found[1]!.toLowerCase(), found[2]?.replace(/\\(.)/g, '$1') ?? found[3] ?? '');
  return parameters;
}

export interface DigestRequest {
  readonly challenge: DigestChallenge;
  readonly userName: string;
  readonly password: string;
  readonly method: string;
  readonly uri: string;
  /** How many requests were sent with this nonce, this one included. */
  readonly nonceCount: number;
  readonly clientNonce: string;
  /** Lower-case hexadecimal of the hash over the text's UTF-8 bytes. */
  readonly hash: (algorithm: 'MD5' | 'SHA-256', text: string) => string;
}

/** The value of `Authorization`, RFC 7616 §3.4 (and RFC 2069 for cameras that offer no `qop`). */
export function formatDigestAuthorization(request: DigestRequest): string {
  const { challenge } = request;
  const family = (challenge.algorithm ?? 'MD5').startsWith('SHA-256') ? 'SHA-256' : 'MD5';
  const hash = (text: string) => request.hash(family, text);
  const plain = hash(`${request.userName}:${challenge.realm}:${request.password}`);
  const secret = (challenge.algorithm ?? '').endsWith('-sess')
    ? hash(`${plain}:${challenge.nonce}:${request.clientNonce}`)
    : plain;
  const action = hash(`${request.method}:${request.uri}`);
  const count = request.nonceCount.toString(16).padStart(8, '0');
  const response =
    challenge.qualityOfProtection === null
      ? hash(`${secret}:${challenge.nonce}:${action}`)
      : hash(`${secret}:${challenge.nonce}:${count}:${request.clientNonce}:auth:${action}`);
  return [
    `Digest username=${quoted(request.userName)}`,
    `realm=${quoted(challenge.realm)}`,
    `nonce=${quoted(challenge.nonce)}`,
    `uri=${quoted(request.uri)}`,
    `response="${response}"`,
    ...(challenge.algorithm === null ? [] : [`algorithm=${challenge.algorithm}`]),
    ...(challenge.opaque === null ? [] : [`opaque=${quoted(challenge.opaque)}`]),
    ...(challenge.qualityOfProtection === null ? [] : [`qop=auth, nc=${count}`]),
    ...(challenge.qualityOfProtection === null && !(challenge.algorithm ?? '').endsWith('-sess')
      ? []
      : [`cnonce="${request.clientNonce}"`]),
  ].join(', ');
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** RFC 7617, in UTF-8. */
export function formatBasicAuthorization(userName: string, password: string): string {
  return `Basic ${encodeBase64(new TextEncoder().encode(`${userName}:${password}`))}`;
}
