import { randomBytes, webcrypto } from 'node:crypto';
import type { SiteId } from '@holdfast/schema';
import type { X509Certificate } from '@peculiar/x509';

/** ECDSA over P-256 (FIPS 186-5): small handshakes, and every TLS library knows it. */
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 24 * 3600 * 1000;
/** Certificates begin a day early, so that a server whose clock is behind by some hours still accepts them. */
const BACKDATE_MS = DAY_MS;
const AUTHORITY_LIFETIME_MS = 20 * 365 * DAY_MS;
/** Long, because somebody has to bring each new one to its server, and a vehicle may be away for months. */
const CERTIFICATE_LIFETIME_MS = 10 * 365 * DAY_MS;
/** RFC 5280 §4.1.2.2 allows 20 octets; 16 random ones never collide. */
const SERIAL_BYTES = 16;
const ROLE = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;

/** What may issue certificates: keep the key where only the administrator can read it. */
export interface CertificateAuthority {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly privateKeyPem: string;
}

/** How one server proves who it is, and whom it believes. */
export interface PeerCredentials {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly privateKeyPem: string;
  /** The certificate of the authority whose peers are accepted. */
  readonly authorityPem: string;
  /** Takes what was put in their place meanwhile: the rest of this changes then. Left out: it stays as it is. */
  readonly renew?: () => void;
}

export class CertificateRoleError extends Error {
  override readonly name = 'CertificateRoleError';
  readonly code = 'CERTIFICATE_ROLE_INVALID';
}

/** The DNS name by which TLS checks a server of this role. IP addresses are no TLS names (RFC 6066 §3). */
export function serverNameOfRole(role: string): string {
  if (!ROLE.test(role)) {
    throw new CertificateRoleError(
      `'${role}' is no role: 1 to 32 of a-z, 0-9 and '-', beginning with a letter`,
    );
  }
  return `holdfast-${role}.internal`;
}

/** A new self-signed authority (X.509 v3, RFC 5280). */
export async function createCertificateAuthority(options: {
  readonly name: string;
  readonly nowMs: number;
}): Promise<CertificateAuthority> {
  const x509 = await loadX509();
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerialNumber(),
    name: [{ CN: [options.name] }],
    notBefore: new Date(options.nowMs - BACKDATE_MS),
    notAfter: new Date(options.nowMs + AUTHORITY_LIFETIME_MS),
    signingAlgorithm: KEY_ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificatePem: pemOf(certificate), privateKeyPem: await privateKeyPemOf(keys) };
}

/**
 * Keys and a certificate for one server of a site, good for both ends of a connection. It names the role (DNS, checked
 * by TLS) and the site (`urn:uuid:<site>`, read by `siteOfCertificate`).
 */
export async function issuePeerCredentials(
  authority: CertificateAuthority,
  options: { readonly site: SiteId; readonly role: string; readonly nowMs: number },
): Promise<PeerCredentials> {
  const x509 = await loadX509();
  const issuer = new x509.X509Certificate(authority.certificatePem);
  const keys = await generateKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: newSerialNumber(),
    subject: [{ CN: [`${options.role} ${options.site}`] }],
    issuer: issuer.subjectName,
    notBefore: new Date(options.nowMs - BACKDATE_MS),
    notAfter: new Date(options.nowMs + CERTIFICATE_LIFETIME_MS),
    signingAlgorithm: KEY_ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: await importPrivateKey(authority.privateKeyPem),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: serverNameOfRole(options.role) },
        { type: 'url', value: `urn:uuid:${options.site}` },
      ]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return {
    certificatePem: pemOf(certificate),
    privateKeyPem: await privateKeyPemOf(keys),
    authorityPem: authority.certificatePem,
  };
}

/** A tenth of what a server's modules take to load; a server that runs issues no certificates. */
async function loadX509() {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
}

async function privateKeyPemOf(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const { PemConverter } = await loadX509();
  return `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n`;
}

async function importPrivateKey(pem: string): Promise<webcrypto.CryptoKey> {
  const { PemConverter } = await loadX509();
  const pkcs8 = PemConverter.decodeFirst(pem);
  return webcrypto.subtle.importKey('pkcs8', pkcs8, KEY_ALGORITHM, false, ['sign']);
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`;
}

/** Positive, as RFC 5280 asks: the highest bit is cleared, the next set so that no leading zero is lost. */
function newSerialNumber(): string {
  const bytes = randomBytes(SERIAL_BYTES);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}
