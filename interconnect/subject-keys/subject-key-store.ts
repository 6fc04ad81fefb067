import type { SiteId, Subject } from '@holdfast/schema';

/** Keys in one call, some 100 bytes each. */
export const OFFERED_KEYS_MAX = 500;
export const SUBJECT_KEY_BYTES = 32;

export interface OfferedKey {
  readonly keyId: string;
  readonly subject: Subject;
  readonly key: Uint8Array;
  /** The site that seals with it. */
  readonly maker: SiteId;
}

export interface ErasedKey {
  readonly keyId: string;
  readonly subject: Subject;
}

/** What changed in a file of keys: each key is told again, as an erased one, when it is destroyed. */
export interface SubjectKeyPage {
  readonly keys: readonly OfferedKey[];
  readonly erased: readonly ErasedKey[];
  /** With these everything up to there was told. */
  readonly upTo: number;
}

/** The keys of a site as its parent may have them, its own and those that its children gave it; and what the parent keeps of them. */
export interface SubjectKeySource {
  /** What comes after a count of the site's own. */
  keysAfter(count: number, limit: number): SubjectKeyPage;
  /** What the parent keeps: the site's own keys, some of which it may have lost, and what was erased there. May be called twice. */
  takeReturned(returned: Pick<SubjectKeyPage, 'keys' | 'erased'>): Promise<void>;
}

/** Where a parent keeps the keys of its children. */
export interface SubjectKeySink {
  /** Durable when it returns. A key that was destroyed here, or is there already, stays as it is. */
  take(offer: Pick<SubjectKeyPage, 'keys' | 'erased'> & { readonly from: SiteId }): void;
  /** Of what this child made, and of what it gave that was erased: what comes after a count of the parent's own. */
  keysFor(child: SiteId, after: number, limit: number): SubjectKeyPage;
}
