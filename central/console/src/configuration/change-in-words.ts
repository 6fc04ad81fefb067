import { bytes } from '../ui/time';
import type { ConfigurationChange } from './configuration';

export const kindWords: Record<ConfigurationChange['kind'], string> = {
  SITE: 'Site',
  CHILD_SITE: 'Site below',
  RECORDING_SERVER: 'Recording server',
  HARDWARE: 'Hardware',
  DEVICE: 'Device',
};

const settingWords: Record<string, string> = {
  recordingServerId: 'recording server',
  enabled: 'enabled',
  recordingEnabled: 'recorded',
  retentionDays: 'kept for',
  byteLengthMax: 'kept at most',
};

/** `recordingPolicy` reads as "recording policy". */
export const settingInWords = (setting: string): string => settingWords[setting] ?? camelInWords(setting);

const camelInWords = (name: string): string => name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`);

type NameOf = (id: string) => string | undefined;

/** What it was and what it became; of settings with several parts, those that differ. `nameOf`: of what a value refers to by its id. */
export function valuesInWords(
  setting: string,
  { before, after }: Pick<ConfigurationChange, 'before' | 'after'>,
  nameOf: NameOf,
): { readonly before: string; readonly after: string } {
  const [was, is] = [partsOf(before), partsOf(after)];
  if (was === null || is === null) {
    return { before: valueInWords(setting, before, nameOf), after: valueInWords(setting, after, nameOf) };
  }
  const differing = [...new Set([...Object.keys(was), ...Object.keys(is)])].filter(
    key => JSON.stringify(was[key]) !== JSON.stringify(is[key]),
  );
  const only = (parts: Parts) => inWords(Object.fromEntries(differing.map(key => [key, parts[key] ?? null])));
  return { before: only(was), after: only(is) };
}

function valueInWords(setting: string, value: string | null, nameOf: NameOf): string {
  if (value === null || value === 'null') return 'not set';
  if (value === 'true') return 'yes';
  if (value === 'false') return 'no';
  if (setting === 'byteLengthMax') return bytes(Number(value));
  if (setting === 'retentionDays') return `${value} days`;
  const parts = partsOf(value);
  return nameOf(value) ?? (parts === null ? value : inWords(parts));
}

type Parts = Readonly<Record<string, unknown>>;

/** Null when it is no setting with several parts. */
function partsOf(value: string | null): Parts | null {
  if (value === null || !value.startsWith('{')) return null;
  try {
    return JSON.parse(value) as Parts;
  } catch {
    return null;
  }
}

function inWords(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(inWords).join('; ');
  if (value === null) return 'not set';
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([key, item]) => `${camelInWords(key)} ${inWords(item)}`)
    .join(', ');
}
