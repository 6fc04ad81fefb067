import { readFileSync } from 'node:fs';
import { LinkControlError, linkControlClient } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { LinkControl } from '../api/api-ports.js';

/** The demonstration's emulated links, as the API may use them. */
export function createEmulatedLinkControl(options: {
  readonly url: string;
  /** Holds the bearer token of the control server. */
  readonly tokenFile: string;
}): LinkControl {
  const client = linkControlClient({
    url: options.url,
    token: readFileSync(options.tokenFile, 'utf8').trim(),
  });
  return {
    cut: async site => {
      await client.cut(site);
    },
    restore: async site => {
      await client.restore(site);
    },
    state: (site: SiteId) =>
      client.links().then(
        links => {
          const link = links.find(({ siteId }) => siteId === site);
          return link ? (link.cut === null ? 'RESTORED' : 'CUT') : null;
        },
        error => {
          // The demonstration is being stopped around us; a question about its links has no answer then.
          if (error instanceof LinkControlError) return null;
          throw error;
        },
      ),
  };
}
