import type { Subject } from '@holdfast/schema';
import type { ErasedKeysOfSubject } from './personal-texts.js';

/** What a log says of one subject. */
export interface Erasure {
  /** The last one. */
  readonly atMs: number;
  readonly keyIds: readonly string[];
}

export type Erasures = ReadonlyMap<Subject, Erasure>;

interface KeyOfSubject {
  readonly keyId: string;
  readonly subject: Subject;
}

/**
 * What is done with what a parent keeps of a site's keys. `keys`: those that the site made, of which it may have lost some; one that is
 * older than an erasure of its subject was lost when that was made, and is erased now. `erased`: at the parent.
 */
export function planReturnedKeys<Key extends KeyOfSubject>(
  { keys, erased }: { readonly keys: readonly Key[]; readonly erased: readonly KeyOfSubject[] },
  { erasures, isHeld }: { readonly erasures: Erasures; readonly isHeld: (keyId: string) => boolean },
): { readonly takeBack: readonly Key[]; readonly erase: readonly ErasedKeysOfSubject[] } {
  const lost = keys.filter(({ keyId }) => !isHeld(keyId));
  const late = lost.filter(key => isErasedSince(key, erasures.get(key.subject)));
  const toErase = [...late, ...erased.filter(({ keyId }) => isHeld(keyId))];
  return {
    takeBack: lost.filter(key => !late.includes(key)),
    erase: [...Map.groupBy(toErase, ({ subject }) => subject)].map(([subject, of]) => ({
      subject,
      keyIds: of.map(({ keyId }) => keyId),
    })),
  };
}

function isErasedSince({ keyId }: KeyOfSubject, erasure: Erasure | undefined): boolean {
  if (erasure === undefined || erasure.keyIds.includes(keyId)) return false;
  const madeAtMs = timeOfUuid(keyId);
  // A key of earlier software does not say when it was made.
  return madeAtMs === null || madeAtMs <= erasure.atMs;
}

/** Of version 7 (RFC 9562 §5.7); null: another version. */
function timeOfUuid(id: string): number | null {
  return id[14] === '7' ? Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) : null;
}
