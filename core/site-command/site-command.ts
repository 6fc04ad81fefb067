import type { SiteCommand } from '@holdfast/schema';

export type SiteCommandKind = SiteCommand['kind'];
export type SiteCommandOf<Kind extends SiteCommandKind> = Extract<SiteCommand, { readonly kind: Kind }>;

/** Why a site says no. `code` is stable and part of the public API; `message` names what was wrong and what would be right. */
export interface SiteCommandRefusal<Code extends string = string> {
  readonly code: Code;
  readonly message: string;
}
