import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { PeerCredentials } from './certificate-authority.js';
import { certificatesInPem, isIssuedBy } from './certificate-faults.js';
import { loadPeerCredentials, peerFiles } from './certificate-files.js';
import { siteOfCertificate } from './site-of-certificate.js';

/**
 * The credentials in a folder, and what is put in their place: null when there are none. What is half written, or does not fit
 * together, is passed over until it does. Throws `CertificateFileError` when a part is missing at the beginning.
 */
export async function openRenewedCredentials(directory: string): Promise<PeerCredentials | null> {
  const first = await loadPeerCredentials(directory);
  if (first === null) return null;
  let current = first;
  return {
    get certificatePem() {
      return current.certificatePem;
    },
    get privateKeyPem() {
      return current.privateKeyPem;
    },
    get authorityPem() {
      return current.authorityPem;
    },
    renew: () => {
      const found = fittingCredentials(directory);
      if (found !== null && siteOf(found) === siteOf(current)) current = found;
    },
  };
}

/** Those in a folder; null where they are not whole, or do not fit together: `CertificateFaults` says why. */
export function fittingCredentials(directory: string): PeerCredentials | null {
  const read = (part: keyof typeof peerFiles) => readFileSync(path.join(directory, peerFiles[part]), 'utf8');
  try {
    const found = {
      certificatePem: read('certificatePem'),
      privateKeyPem: read('privateKeyPem'),
      authorityPem: read('authorityPem'),
    };
    const [certificate, ...between] = certificatesInPem(found.certificatePem);
    const issuers = [...between, ...certificatesInPem(found.authorityPem)];
    const fits =
      certificate?.checkPrivateKey(createPrivateKey(found.privateKeyPem)) &&
      issuers.some(issuer => isIssuedBy(certificate, issuer));
    return fits ? found : null;
  } catch {
    return null;
  }
}

/** Null also where the certificate cannot be read. */
function siteOf({ certificatePem }: PeerCredentials): string | null {
  try {
    return siteOfCertificate({ subjectaltname: new X509Certificate(certificatePem).subjectAltName });
  } catch {
    return null;
  }
}
