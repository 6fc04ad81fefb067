import { useSyncExternalStore } from 'react';

/** Where the operator is: the hash of the address, so that reload, sign-in and a shared link lead back to it. */
export type Section =
  | 'sites'
  | 'live'
  | 'playback'
  | 'alarms'
  | 'events'
  | 'evidence-locks'
  | 'retrievals'
  | 'configuration'
  | 'integrity';

export interface Place {
  readonly section: Section;
  /** What is open in the section, such as an alarm's id. */
  readonly item: string | null;
  readonly parameters: URLSearchParams;
}

export const SECTIONS: readonly { section: Section; label: string; keys: string }[] = [
  { section: 'live', label: 'Live', keys: 'g l' },
  { section: 'playback', label: 'Playback', keys: 'g p' },
  { section: 'alarms', label: 'Alarms', keys: 'g a' },
  { section: 'events', label: 'Events', keys: 'g e' },
  { section: 'evidence-locks', label: 'Evidence locks', keys: 'g k' },
  { section: 'retrievals', label: 'Retrievals', keys: 'g r' },
  { section: 'sites', label: 'Sites', keys: 'g s' },
  { section: 'configuration', label: 'Configuration', keys: 'g c' },
  { section: 'integrity', label: 'Integrity', keys: 'g i' },
];

function parse(hash: string): Place {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?');
  const [first = '', item] = path.split('/');
  const section = SECTIONS.find(entry => entry.section === first)?.section ?? 'live';
  return { section, item: item ? decodeURIComponent(item) : null, parameters: new URLSearchParams(search) };
}

let place = parse(location.hash);
/** The address that is told of, or was changed without telling. */
let knownHash = location.hash;
const listeners = new Set<() => void>();

function arrive(): void {
  if (location.hash === knownHash) return;
  knownHash = location.hash;
  place = parse(knownHash);
  for (const listener of listeners) listener();
}
addEventListener('hashchange', arrive);

export function usePlace(): Place {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => place,
  );
}

export function hrefOf(section: Section, item?: string | null, parameters?: Record<string, string>): string {
  const search = parameters === undefined ? '' : `?${new URLSearchParams(parameters)}`;
  return `#/${section}${item ? `/${encodeURIComponent(item)}` : ''}${search}`;
}

export function go(section: Section, item?: string | null, parameters?: Record<string, string>): void {
  location.hash = hrefOf(section, item, parameters);
  // The browser tells of it later, and a second key may come before.
  arrive();
}

/** What the address says now; newer than the place that is shown when the playhead has moved since. */
export const currentPlace = (): Place => parse(location.hash);

/** Changes the address alone, as when the playhead moves: no new entry in the history, and nothing goes anywhere. */
export function replacePlace(
  section: Section,
  item: string | null,
  parameters: Record<string, string>,
): void {
  history.replaceState(null, '', hrefOf(section, item, parameters));
  knownHash = location.hash;
}
