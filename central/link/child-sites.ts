import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { siteOfCertificate } from '@holdfast/interconnect';
import { type ManagementServer, pinConfiguredKey } from '@holdfast/sites';
import type { CentralConfiguration } from '../configuration/central-configuration.js';

export class ChildCertificateError extends Error {
  override readonly name = 'ChildCertificateError';
  readonly code = 'CHILD_CERTIFICATE_WRONG';
}

/** Writes into the log which sites may report here and by what keys, as the configuration says, where the log does not say so. */
export async function enrolChildSites(
  management: ManagementServer,
  { children, site }: CentralConfiguration,
  baseDirectory: string,
): Promise<void> {
  for (const child of children) {
    const file = path.resolve(baseDirectory, child.certificate);
    const certificateSha256 = fingerprintOf(file, child.id);
    const context = { actor: `site:${site.id}` };
    const known = management.state.site.children.get(child.id);
    if (known?.certificateSha256 !== certificateSha256 || known.name !== child.name) {
      const outcome = await management.administer(
        { kind: 'EnrolChildSite', siteId: child.id, name: child.name, certificateSha256 },
        context,
      );
      if (!outcome.accepted) throw new ChildCertificateError(`${child.name}: ${outcome.message}`);
    }
    if (child.logPublicKey !== undefined) {
      await pinConfiguredKey(management, { siteId: child.id, publicKey: child.logPublicKey }, context.actor);
    }
  }
}

/** SHA-256 of the certificate (DER), lower-case hexadecimal. */
function fingerprintOf(file: string, siteId: string): string {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(file));
  } catch (cause) {
    throw new ChildCertificateError(`${file}: expected the PEM certificate of site ${siteId}`, { cause });
  }
  if (siteOfCertificate({ subjectaltname: certificate.subjectAltName }) !== siteId) {
    throw new ChildCertificateError(
      `${file} is not the certificate of site ${siteId}: it must name urn:uuid:${siteId}`,
    );
  }
  return createHash('sha256').update(certificate.raw).digest('hex');
}
