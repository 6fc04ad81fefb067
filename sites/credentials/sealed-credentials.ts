import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';

/** A camera's user name and password. Outside the site that holds the camera they exist only sealed. */
export interface CameraCredentials {
  readonly userName: string;
  readonly password: string;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PURPOSE = 'holdfast sealed credentials 1';

export class SealedCredentialsError extends Error {
  override readonly name = 'SealedCredentialsError';
  readonly code = 'CREDENTIALS_NOT_OPENABLE';
}

/** A new X25519 key of a site: the private half as PEM, the public half (32 bytes) as base64. */
export function generateSealingKey(): { readonly privateKeyPem: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: rawPublicKey(publicKey).toString('base64'),
  };
}

/** The public half of a site's sealing key: 32 bytes as base64. */
export function sealingPublicKeyOf(privateKeyPem: string): string {
  return rawPublicKey(createPublicKey(privateKeyPem)).toString('base64');
}

/**
 * Seals to a site's public key: X25519 with a fresh key, HKDF-SHA-256, AES-256-GCM. Base64 of public key (32) ‖
 * nonce (12) ‖ ciphertext ‖ tag (16). Only the holder of the private key can open it; the sealer cannot.
 */
export function sealCredentials(credentials: CameraCredentials, sitePublicKey: string): string {
  const ephemeral = generateKeyPairSync('x25519');
  const ephemeralPublicKey = rawPublicKey(ephemeral.publicKey);
  const sitePublic = Buffer.from(sitePublicKey, 'base64');
  const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey: publicKeyOf(sitePublic) });
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(secret, ephemeralPublicKey, sitePublic), nonce);
  const ciphertext = Buffer.concat([cipher.update(JSON.stringify(credentials), 'utf8'), cipher.final()]);
  return Buffer.concat([ephemeralPublicKey, nonce, ciphertext, cipher.getAuthTag()]).toString('base64');
}

/** Throws `SealedCredentialsError` when sealed to another key, or changed. */
export function openCredentials(sealed: string, privateKeyPem: string): CameraCredentials {
  const bytes = Buffer.from(sealed, 'base64');
  if (bytes.length < KEY_BYTES + NONCE_BYTES + TAG_BYTES) {
    throw new SealedCredentialsError('sealed credentials are too short');
  }
  const privateKey = createPrivateKey(privateKeyPem);
  const ephemeralPublicKey = bytes.subarray(0, KEY_BYTES);
  const nonce = bytes.subarray(KEY_BYTES, KEY_BYTES + NONCE_BYTES);
  try {
    const secret = diffieHellman({ privateKey, publicKey: publicKeyOf(ephemeralPublicKey) });
    const sitePublic = rawPublicKey(createPublicKey(privateKey));
    const decipher = createDecipheriv('aes-256-gcm', keyOf(secret, ephemeralPublicKey, sitePublic), nonce);
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const clear = [decipher.update(bytes.subarray(KEY_BYTES + NONCE_BYTES, -TAG_BYTES)), decipher.final()];
    const { userName, password } = JSON.parse(Buffer.concat(clear).toString('utf8'));
    return { userName, password };
  } catch (cause) {
    throw new SealedCredentialsError('credentials were sealed to another site, or changed since', { cause });
  }
}

function keyOf(secret: Buffer, ephemeralPublicKey: Buffer, sitePublicKey: Buffer): Buffer {
  const salt = Buffer.concat([ephemeralPublicKey, sitePublicKey]);
  return Buffer.from(hkdfSync('sha256', secret, salt, PURPOSE, KEY_BYTES));
}

function rawPublicKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x as string, 'base64url');
}

function publicKeyOf(raw: Buffer): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: raw.toString('base64url') }, format: 'jwk' });
}
