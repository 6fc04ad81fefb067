import { comparePlaces, placeOf, readStreamEnd, type SiteLog } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';

/** Whether somebody has written a site off, by this central's own log, and it has not dialled since. */
export async function isWrittenOff(log: Pick<SiteLog, 'readStream'>, site: SiteId): Promise<boolean> {
  const lastOf = async (stream: string) => (await readStreamEnd(log, { stream, count: 1 })).at(-1);
  const writtenOff = await lastOf(writtenOffStream(site));
  if (writtenOff === undefined) return false;
  const link = await lastOf(`link-${site}`);
  return link === undefined || comparePlaces(placeOf(writtenOff), placeOf(link)) > 0;
}

export function writtenOffStream(site: SiteId): string {
  return `written-off-${site}`;
}
