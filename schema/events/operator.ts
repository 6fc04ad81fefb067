import { z } from 'zod';
import { DeviceId, SiteId } from '../ids.js';
import { defineEvent, type EventOf, passing } from './event-definition.js';

const ofProjection = z.object({ projection: z.string().min(1).max(100) });
const ofSite = z.object({ siteId: SiteId });

/**
 * What operators do that changes no site: each in the log of the site where they work, by the user as actor. Streams:
 * `projection-<name>`, `ptz-<device>`, `emulated-link-<site>`.
 */
export const ProjectionRebuildRequested = passing(defineEvent('ProjectionRebuildRequested', 1, ofProjection));
export const QuarantineReleaseRequested = passing(defineEvent('QuarantineReleaseRequested', 1, ofProjection));
/** `preset`: as the camera names it; null: by hand, told once a minute and user. */
export const PtzMoved = passing(
  defineEvent('PtzMoved', 1, z.object({ deviceId: DeviceId, preset: z.string().max(200).nullable() })),
);
export const EmulatedLinkCut = passing(defineEvent('EmulatedLinkCut', 1, ofSite));
export const EmulatedLinkRestored = passing(defineEvent('EmulatedLinkRestored', 1, ofSite));

/**
 * The site will not report again. What it may have locked without this central's knowing is waited for no more, until it dials again;
 * what is known to be locked stays locked. Stream: `written-off-<site>`.
 */
export const SiteWrittenOff = defineEvent('SiteWrittenOff', 1, ofSite);

export const operatorEvents = [
  ProjectionRebuildRequested,
  QuarantineReleaseRequested,
  PtzMoved,
  EmulatedLinkCut,
  EmulatedLinkRestored,
  SiteWrittenOff,
] as const;
export type OperatorEvent = EventOf<(typeof operatorEvents)[number]>;
