import { SiteId } from '@holdfast/schema';

/** Node's text form of the subject alternative names; an entry with special characters is quoted as JSON. */
const ENTRY = /(?:[^",]|"(?:[^"\\]|\\.)*")+/g;
const SITE_ENTRY = /^URI:urn:uuid:(.+)$/;

/**
 * The site that a verified certificate belongs to: its one `urn:uuid:` name (RFC 9562 §4). Null when there is none or more
 * than one. Call it only for a peer whose chain TLS has verified.
 */
export function siteOfCertificate(
  peer: { readonly subjectaltname?: string | undefined } | undefined,
): SiteId | null {
  const entries = peer?.subjectaltname?.match(ENTRY) ?? [];
  const sites = entries.flatMap(entry => SITE_ENTRY.exec(entry.trim())?.[1] ?? []);
  const parsed = SiteId.safeParse(sites.length === 1 ? sites[0] : undefined);
  return parsed.success ? parsed.data : null;
}
