const STORAGE_KEY = 'holdfast.playback';
/** Four synchronised pictures are what one person can follow and one browser decode at eight times the speed. */
export const PLAYBACK_LIMIT = 4;

/** The cameras that were played last, for when the page is opened without saying which. */
export function lastPlayed(): readonly string[] {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '[]');
    return Array.isArray(stored) ? stored.filter(id => typeof id === 'string').slice(0, PLAYBACK_LIMIT) : [];
  } catch {
    return [];
  }
}

export const keepPlayed = (deviceIds: readonly string[]): void =>
  localStorage.setItem(STORAGE_KEY, JSON.stringify(deviceIds));

/** A camera that is shown goes; one that is not comes, in place of the last when there is no room. */
export function toggled(deviceIds: readonly string[], deviceId: string): readonly string[] {
  if (deviceIds.includes(deviceId)) return deviceIds.filter(id => id !== deviceId);
  return [...deviceIds.slice(0, PLAYBACK_LIMIT - 1), deviceId];
}
