import { decodeBase64, encodeBase64 } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { ManagementServer } from './management-server.js';

/** The raw key by which another site is believed here; null when none is pinned. */
export function pinnedKey(management: ManagementServer, site: SiteId): Uint8Array | null {
  const pinned = management.state.site.logKeys.get(site);
  return pinned === undefined ? null : decodeBase64(pinned);
}

/** As the configuration says; nothing is written when the log says the same already. */
export async function pinConfiguredKey(
  management: ManagementServer,
  key: { readonly siteId: SiteId; readonly publicKey: string },
  actor: string,
): Promise<void> {
  await management.administer({ kind: 'PinLogKey', ...key, because: 'CONFIGURED' }, { actor });
}

/** The first key that another site has shown. Throws when another one was pinned meanwhile. */
export async function pinFirstKey(
  management: ManagementServer,
  key: { readonly siteId: SiteId; readonly publicKey: Uint8Array },
  actor: string,
): Promise<void> {
  const { siteId } = key;
  const publicKey = encodeBase64(key.publicKey);
  const outcome = await management.administer(
    { kind: 'PinLogKey', siteId, publicKey, because: 'FIRST_USE' },
    { actor },
  );
  if (!outcome.accepted && outcome.code !== 'NOTHING_ASKED') throw new LogKeyError(outcome.message);
}

export class LogKeyError extends Error {
  override readonly name = 'LogKeyError';
  readonly code = 'LOG_KEY_PINNED';
}
