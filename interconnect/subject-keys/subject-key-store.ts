import type { SiteId, Subject } from '@holdfast/schema';

/** Keys in one call, some 100 bytes each. */
export const OFFERED_KEYS_MAX = 500;
export const SUBJECT_KEY_BYTES = 32;

export interface OfferedKey {
  readonly keyId: string;
  readonly subject: Subject;
  readonly key: Uint8Array;
  /** The site that seals with it, and that alone can say that it is erased. */
  readonly maker: SiteId;
}

/** The keys of a site as its parent may have them: its own, and those that its children gave it. */
export interface SubjectKeySource {
  /** The next that still exist after a count of the site's own; `upTo`: with these everything up to there was told. */
  keysAfter(count: number, limit: number): { readonly keys: readonly OfferedKey[]; readonly upTo: number };
}

/** Where a parent keeps the keys of its children. */
export interface SubjectKeySink {
  /** Durable when it returns. A key that was destroyed here, or is there already, stays as it is. */
  take(keys: readonly OfferedKey[]): void;
}
