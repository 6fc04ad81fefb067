import type { SiteEvent, SiteId } from '@holdfast/schema';
import { accept, type Decider, refuse } from '../decider/decider.js';

export interface ChildSite {
  readonly name: string;
  readonly certificateSha256: string;
}

export interface Site {
  /** Null before the site was established. */
  readonly siteId: SiteId | null;
  readonly name: string;
  /** Children that may dial this site. */
  readonly children: ReadonlyMap<SiteId, ChildSite>;
  /** By what key the log of a child, or the cosignature of a parent, is believed: Ed25519, base64. */
  readonly logKeys: ReadonlyMap<SiteId, string>;
}

export type SiteAdministrationCommand =
  | {
      readonly kind: 'EstablishSite';
      readonly siteId: SiteId;
      readonly name: string;
      readonly sealingPublicKey: string;
    }
  | { readonly kind: 'RenameSite'; readonly name: string }
  | ({ readonly kind: 'EnrolChildSite'; readonly siteId: SiteId } & ChildSite)
  /** `CONFIGURED` replaces a key that is pinned, `FIRST_USE` does not. */
  | {
      readonly kind: 'PinLogKey';
      readonly siteId: SiteId;
      readonly publicKey: string;
      readonly because: 'CONFIGURED' | 'FIRST_USE';
    };

export interface SiteRefusal {
  readonly code: 'SITE_ESTABLISHED' | 'NOTHING_ASKED' | 'SITE_OWN_PARENT' | 'LOG_KEY_PINNED';
  readonly message: string;
}

export const siteDecider: Decider<Site, SiteAdministrationCommand, SiteEvent, SiteRefusal> = {
  initialState: { siteId: null, name: '', children: new Map(), logKeys: new Map() },
  decide(command, site) {
    switch (command.kind) {
      case 'EstablishSite': {
        const { siteId, name, sealingPublicKey } = command;
        return site.siteId === null
          ? accept({ type: 'SiteEstablished', data: { siteId, name, sealingPublicKey } })
          : refuse({ code: 'SITE_ESTABLISHED', message: `this log belongs to site ${site.siteId}` });
      }
      case 'RenameSite':
        return site.name === command.name
          ? refuse({ code: 'NOTHING_ASKED', message: `the site is called ${site.name} already` })
          : accept({ type: 'SiteRenamed', data: { name: command.name } });
      case 'EnrolChildSite': {
        const { siteId, name, certificateSha256 } = command;
        if (siteId === site.siteId)
          return refuse({ code: 'SITE_OWN_PARENT', message: 'a site cannot be its own child' });
        const child = site.children.get(siteId);
        return child?.name === name && child.certificateSha256 === certificateSha256
          ? refuse({ code: 'NOTHING_ASKED', message: `${name} is enrolled already` })
          : accept({ type: 'ChildSiteEnrolled', data: { siteId, name, certificateSha256 } });
      }
      case 'PinLogKey': {
        const { siteId, publicKey, because } = command;
        const pinned = site.logKeys.get(siteId);
        if (pinned === publicKey) {
          return refuse({ code: 'NOTHING_ASKED', message: `site ${siteId} is believed by that key already` });
        }
        return pinned !== undefined && because === 'FIRST_USE'
          ? refuse({ code: 'LOG_KEY_PINNED', message: `site ${siteId} is believed by another key` })
          : accept({ type: 'LogKeyPinned', data: { siteId, publicKey, because } });
      }
    }
  },
  evolve(site, event) {
    switch (event.type) {
      case 'LogEpochOpened':
        return site;
      case 'SiteEstablished':
        return { ...site, siteId: event.data.siteId, name: event.data.name };
      case 'SiteRenamed':
        return { ...site, name: event.data.name };
      case 'ChildSiteEnrolled': {
        const { siteId, name, certificateSha256 } = event.data;
        return { ...site, children: new Map(site.children).set(siteId, { name, certificateSha256 }) };
      }
      case 'LogKeyPinned': {
        const { siteId, publicKey } = event.data;
        return { ...site, logKeys: new Map(site.logKeys).set(siteId, publicKey) };
      }
    }
  },
};
