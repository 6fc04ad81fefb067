import type { SiteLog } from '@holdfast/core';
import { readEventData } from '@holdfast/core';
import type { RecordingServerId } from '@holdfast/schema';

const PAGE_EVENTS = 1000;

/**
 * The folders and buckets that a recording server has run with, as the log says, beside its media directory; null: it has never run.
 * None of them is new, whatever an index says that was lost and made again.
 */
export async function usedStages(
  log: Pick<SiteLog, 'readStream'>,
  recordingServerId: RecordingServerId,
): Promise<ReadonlySet<string> | null> {
  const configured = new Set<string>();
  let used: Set<string> | null = null;
  const stream = `recording-server-${recordingServerId}`;
  for (let afterRevision: number | null = null; ; ) {
    const page = await log.readStream({ stream, afterRevision, limit: PAGE_EVENTS, carried: true });
    for (const recorded of page) {
      const event = readEventData(recorded);
      if (event instanceof Error) continue;
      if (event.type === 'RecordingServerStarted') used = new Set(configured);
      if (event.type !== 'StorageConfigured') continue;
      for (const { path } of [event.data.live, ...event.data.archives])
        if (path !== null) configured.add(path);
    }
    const last = page.at(-1);
    if (last === undefined) return used;
    afterRevision = last.revision;
  }
}
