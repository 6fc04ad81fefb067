import { planReturnedKeys } from '@holdfast/core';
import type { SubjectKeySource } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { ManagementServer } from '../management-server/management-server.js';
import type { SubjectKeys } from './subject-keys.js';

/** The keys of a site towards its parent: what it erases or finds erased there becomes a fact of its log. */
export function subjectKeySource({
  subjectKeys,
  management,
  parentSite,
}: {
  readonly subjectKeys: SubjectKeys;
  readonly management: Pick<ManagementServer, 'recordErasures'>;
  readonly parentSite: SiteId;
}): SubjectKeySource {
  return {
    keysAfter: (count, limit) => subjectKeys.keysAfter(count, limit),
    takeReturned: returned =>
      management.recordErasures(
        erasures => {
          const isHeld = (keyId: string) => subjectKeys.isHeld(keyId);
          const { takeBack, erase } = planReturnedKeys(returned, { erasures, isHeld });
          subjectKeys.takeBack({ keys: takeBack, erased: returned.erased });
          return erase;
        },
        { actor: `site:${parentSite}` },
      ),
  };
}
