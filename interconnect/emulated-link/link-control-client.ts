import type { LinkCutMode } from './emulated-link.js';
import {
  LinkControlError,
  type LinkControlErrorCode,
  type LinkReport,
  type LinkShapeRequest,
} from './link-control.js';

/** The server is on the same machine and answers from memory. */
const REQUEST_TIMEOUT_MS = 5000;

/** `site` is a site's id or its name. Every function throws `LinkControlError`. */
export interface LinkControlClient {
  links(): Promise<readonly LinkReport[]>;
  cut(site: string, mode?: LinkCutMode): Promise<LinkReport>;
  restore(site: string): Promise<LinkReport>;
  shape(site: string, shape: LinkShapeRequest): Promise<LinkReport>;
}

export function linkControlClient(options: {
  readonly url: string;
  readonly token: string;
}): LinkControlClient {
  const request = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const response = await reach(`${options.url.replace(/\/$/, '')}${path}`, {
      method,
      headers: { Authorization: `Bearer ${options.token}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (response.ok) return response.body;
    const { error } = response.body as {
      readonly error?: { readonly code: LinkControlErrorCode; readonly message: string };
    };
    throw new LinkControlError(error?.code ?? 'LINK_FAULT', error?.message ?? `${method} ${path} failed`);
  };
  const post = async (site: string, action: string, body?: unknown): Promise<LinkReport> =>
    (await request('POST', `/links/${encodeURIComponent(site)}/${action}`, body)) as LinkReport;
  return {
    links: async () => (await request('GET', '/links')) as readonly LinkReport[],
    cut: (site, mode) => post(site, 'cut', mode === undefined ? undefined : { mode }),
    restore: site => post(site, 'restore'),
    shape: (site, shape) => post(site, 'shape', shape),
  };
}

async function reach(
  url: string,
  init: RequestInit,
): Promise<{ readonly ok: boolean; readonly body: unknown }> {
  try {
    const response = await fetch(url, init);
    return { ok: response.ok, body: await response.json() };
  } catch (cause) {
    throw new LinkControlError('CONTROL_UNREACHABLE', `no answer from the link control at ${url}`, { cause });
  }
}
