import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { SiteId } from '@holdfast/schema';
import { fileFaultInWords } from '../make-folder.js';
import { peerFiles } from './certificate-files.js';
import { siteOfCertificate } from './site-of-certificate.js';

const DAY_MS = 24 * 3600 * 1000;
/** Time enough to issue another certificate and to bring it to where it is needed. */
const EXPIRES_SOON_MS = 30 * DAY_MS;
/** What happens when a certificate expires, and what is needed instead: of a server, and of an authority. */
const ofServer = {
  consequence: 'peers refuse it then; holdfast renew writes a new one',
  expected: 'expected a new one, as holdfast renew writes it',
};
const ofAuthority = {
  consequence:
    'no certificate of it is believed then; a new authority, and certificates of it for all its servers, are needed',
  expected: 'expected a new authority, and certificates of it for all its servers',
};
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What is wrong with a file that a configuration names, and what would be right. */
export interface FileFault {
  readonly message: string;
  /** Everything works for now. */
  readonly isWarning: boolean;
}

/** Looks at certificates and keys as peers will: they must be readable, whole, fit each other, and be valid at that time. */
export class CertificateFaults {
  readonly #nowMs: number;

  constructor(nowMs: number) {
    this.#nowMs = nowMs;
  }

  /** Of the folder that says who a server is to its peers, and whom it believes. */
  ofCredentials(directory: string, site: SiteId): readonly FileFault[] {
    const faults: FileFault[] = [];
    const file = (part: keyof typeof peerFiles) => path.join(directory, peerFiles[part]);
    const [own, ownFile] = [certificatesIn(file('certificatePem'), faults), file('certificatePem')];
    const key = privateKeyIn(file('privateKeyPem'), faults);
    const authorities = certificatesIn(file('authorityPem'), faults);
    const [certificate, ...between] = own;
    for (const authority of authorities) {
      faults.push(...this.#validity(file('authorityPem'), authority, ofAuthority));
    }
    if (certificate === undefined) return faults;
    faults.push(...this.#validity(ownFile, certificate, ofServer));
    if (key !== null && !certificate.checkPrivateKey(key)) {
      const fits = `expected the key of ${ownFile}: copy both from where they were made together`;
      faults.push(wrong(file('privateKeyPem'), fits));
    }
    const issuers = [...between, ...authorities];
    if (authorities.length > 0 && !issuers.some(issuer => isIssuedBy(certificate, issuer))) {
      faults.push(wrong(ownFile, `expected a certificate that ${file('authorityPem')} has issued`));
    }
    addSite(ownFile, certificate, site, faults);
    return faults;
  }

  /** Of the certificate of another site, by which its id is known. */
  ofPeer(file: string, site: SiteId): readonly FileFault[] {
    const faults: FileFault[] = [];
    const [certificate] = certificatesIn(file, faults);
    if (certificate === undefined) return faults;
    faults.push(...this.#validity(file, certificate, ofServer));
    addSite(file, certificate, site, faults);
    return faults;
  }

  /** Of a private key alone. */
  ofKey(file: string): readonly FileFault[] {
    const faults: FileFault[] = [];
    privateKeyIn(file, faults);
    return faults;
  }

  #validity(
    file: string,
    { validFromDate, validToDate }: X509Certificate,
    { consequence, expected }: typeof ofServer,
  ): readonly FileFault[] {
    const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
    const [fromText, toText] = [validFromDate.toISOString(), validToDate.toISOString()];
    if (from > this.#nowMs) {
      const clock = 'expected a clock that is right, or another certificate';
      return [wrong(file, `valid from ${fromText} on: ${clock}`)];
    }
    if (to <= this.#nowMs) return [wrong(file, `expired at ${toText}: ${expected}`)];
    if (to - this.#nowMs > EXPIRES_SOON_MS) return [];
    const days = Math.floor((to - this.#nowMs) / DAY_MS);
    const message = `${file}: expires in ${days} days, at ${toText}: ${consequence}`;
    return [{ message, isWarning: true }];
  }
}

/** One of the certificates in a file. */
export interface FileCertificate {
  readonly validToMs: number;
}

/** None where the file cannot be read, or holds something else: `CertificateFaults` says so. */
export function certificatesOfFile(file: string): readonly FileCertificate[] {
  return certificatesIn(file, []).map(({ validToDate }) => ({ validToMs: validToDate.getTime() }));
}

function wrong(file: string, message: string): FileFault {
  return { message: `${file}: ${message}`, isWarning: false };
}

export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}

function addSite(file: string, certificate: X509Certificate, site: SiteId, faults: FileFault[]): void {
  const named = siteOfCertificate({ subjectaltname: certificate.subjectAltName });
  if (named === site) return;
  const is = named === null ? 'it names no site' : `it is that of site ${named}`;
  faults.push(wrong(file, `expected the certificate of site ${site}: ${is}`));
}

function textOf(file: string, expected: string, faults: FileFault[]): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    faults.push(wrong(file, `expected ${expected} there: ${fileFaultInWords(error)}`));
    return null;
  }
}

/** Throws what Node says of one that is damaged. */
export function certificatesInPem(text: string): readonly X509Certificate[] {
  return (text.match(CERTIFICATE) ?? []).map(pem => new X509Certificate(pem));
}

/** The first is whose file it is; the others stand between it and an authority. */
function certificatesIn(file: string, faults: FileFault[]): readonly X509Certificate[] {
  const text = textOf(file, 'a certificate in PEM', faults);
  if (text === null) return [];
  try {
    const found = certificatesInPem(text);
    if (found.length > 0) return found;
  } catch {
    // Said below.
  }
  faults.push(wrong(file, 'expected a certificate in PEM: it is damaged, or something else'));
  return [];
}

function privateKeyIn(file: string, faults: FileFault[]): KeyObject | null {
  const text = textOf(file, 'a private key in PEM', faults);
  if (text === null) return null;
  try {
    return createPrivateKey(text);
  } catch {
    faults.push(
      wrong(file, 'expected a private key in PEM, without a password: it is damaged, or something else'),
    );
    return null;
  }
}
