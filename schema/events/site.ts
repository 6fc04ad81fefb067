import { z } from 'zod';
import { SiteId } from '../ids.js';
import { defineEvent, type EventOf, Name, Sha256Hex } from './event-definition.js';

/** The first event of every epoch. Epoch 1 has no previous one. Stream: `log`. */
export const LogEpochOpened = defineEvent(
  'LogEpochOpened',
  1,
  z.object({
    epoch: z.int().min(1),
    previousEpoch: z.int().min(1).nullable(),
    previousSize: z.int().nonnegative().nullable(),
    previousRoot: Sha256Hex.nullable(),
    reason: z.string().max(500),
  }),
);

/** Stream: `site`. `sealingPublicKey` is X25519, base64: secrets for the site (camera passwords) are sealed to it. */
export const SiteEstablished = defineEvent(
  'SiteEstablished',
  1,
  z.object({ siteId: SiteId, name: Name, sealingPublicKey: z.base64() }),
);

export const SiteRenamed = defineEvent('SiteRenamed', 1, z.object({ name: Name }));

/** A parent's record of a child that may dial it. Stream: `child-site-<id>` in the parent's log. */
export const ChildSiteEnrolled = defineEvent(
  'ChildSiteEnrolled',
  1,
  z.object({ siteId: SiteId, name: Name, certificateSha256: Sha256Hex }),
);

/**
 * From now on this site believes what is signed as another site's by this key alone: checkpoints of a child, cosignatures of
 * a parent. Stream: `log-key-<siteId>`. `publicKey` is Ed25519, 32 bytes in base64.
 */
export const LogKeyPinned = defineEvent(
  'LogKeyPinned',
  1,
  z.object({ siteId: SiteId, publicKey: z.base64(), because: z.enum(['CONFIGURED', 'FIRST_USE']) }),
);

export const siteEvents = [
  LogEpochOpened,
  SiteEstablished,
  SiteRenamed,
  ChildSiteEnrolled,
  LogKeyPinned,
] as const;
export type SiteEvent = EventOf<(typeof siteEvents)[number]>;
