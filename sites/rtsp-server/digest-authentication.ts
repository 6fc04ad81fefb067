import { createHash, timingSafeEqual } from 'node:crypto';

export interface RtspCredentials {
  readonly userName: string;
  readonly password: string;
}

/** What a 401 answer carries (RFC 7616 in the MD5 form without qop, which is what RTSP cameras and clients speak). */
export function digestChallenge(challenge: {
  readonly realm: string;
  readonly nonce: string;
  readonly stale: boolean;
}): string {
  const stale = challenge.stale ? ', stale=TRUE' : '';
  return `Digest realm="${challenge.realm}", nonce="${challenge.nonce}", algorithm=MD5${stale}`;
}

export type DigestVerdict = 'ACCEPTED' | 'STALE_NONCE' | 'REFUSED';

/** Checks an `Authorization` header against the only account there is. */
export function verifyDigest(
  authorization: string | undefined,
  expected: {
    readonly credentials: RtspCredentials;
    readonly realm: string;
    readonly nonce: string;
    readonly method: string;
  },
): DigestVerdict {
  const given = parseDigest(authorization ?? '');
  if (given === null) return 'REFUSED';
  const { credentials, realm, nonce, method } = expected;
  if (given.get('username') !== credentials.userName || given.get('realm') !== realm) return 'REFUSED';
  const secret = md5(`${credentials.userName}:${realm}:${credentials.password}`);
  const request = md5(`${method}:${given.get('uri') ?? ''}`);
  const right = md5(`${secret}:${given.get('nonce') ?? ''}:${request}`);
  if (!equalInConstantTime(right, (given.get('response') ?? '').toLowerCase())) return 'REFUSED';
  return given.get('nonce') === nonce ? 'ACCEPTED' : 'STALE_NONCE';
}

function parseDigest(header: string): Map<string, string> | null {
  if (!/^digest\s/i.test(header)) return null;
  const fields = new Map<string, string>();
  for (const match of header.slice(7).matchAll(/([a-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/gi))
    fields.set(match[1]!.toLowerCase(), match[2]?.replace(/\\(.)/g, '$1') ?? match[3]!);
  return fields;
}

const md5 = (text: string): string => createHash('md5').update(text, 'utf8').digest('hex');

function equalInConstantTime(right: string, given: string): boolean {
  const [a, b] = [Buffer.from(right, 'latin1'), Buffer.from(given, 'latin1')];
  return a.length === b.length && timingSafeEqual(a, b);
}
