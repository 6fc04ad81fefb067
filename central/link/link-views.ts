import type { LinkKeeper } from '@holdfast/interconnect';
import type { LinkViews } from '../api/api-ports.js';
import type { FactsWatch } from './facts-watch.js';

/** The links of our children and, as far as these tell, of the sites below them. */
export function createLinkViews(
  links: Pick<LinkKeeper, 'view' | 'relayedHead'>,
  facts: Pick<FactsWatch, 'link' | 'relayedLink'>,
): LinkViews {
  return {
    view(site) {
      const view = links.view(site);
      return view.sinceMs === null ? null : { ...view, sinceMs: view.sinceMs, facts: facts.link(site, view) };
    },
    relayed(hop, via) {
      const { state, roundTripMs, relayed } = links.view(via);
      // What a child of older software knows of the heads below it, it cannot say.
      const cannotSay = state === 'UP' && roundTripMs !== null && relayed === null;
      return facts.relayedLink(hop, cannotSay ? undefined : (relayed?.get(hop.siteId) ?? null));
    },
    head: site => links.relayedHead(site)?.size ?? null,
  };
}
