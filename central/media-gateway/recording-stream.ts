import { type MediaItem, type MediaSource, SEAM_MS_MAX, type TimeSpan } from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import type { AwayPart, RecordingSources } from './media-directory.js';

/** One stretch of time and where it is played from. */
export interface RecordingPart extends TimeSpan {
  readonly place: 'HELD' | 'REMOTE';
}

/** Covers the span with what is held here and, if the remote site can be reached, asks it for the rest. */
export function planParts(
  held: readonly TimeSpan[],
  remoteReachable: boolean,
  span: TimeSpan,
): readonly RecordingPart[] {
  const parts: RecordingPart[] = [];
  let atMs = span.fromMs;
  const askRemote = (toMs: number) => {
    // A shorter hole is the time between two pictures.
    if (remoteReachable && toMs - atMs > SEAM_MS_MAX) parts.push({ fromMs: atMs, toMs, place: 'REMOTE' });
  };
  for (const { fromMs, toMs } of held) {
    const from = Math.max(fromMs, atMs);
    const to = Math.min(toMs, span.toMs);
    if (to <= from) continue;
    askRemote(from);
    parts.push({ fromMs: from, toMs: to, place: 'HELD' });
    atMs = to;
  }
  askRemote(span.toMs);
  return parts;
}

/** What of the parts that cannot be had is not held here either. */
export function missingParts(away: readonly AwayPart[], held: readonly TimeSpan[]): readonly AwayPart[] {
  return away.flatMap(part => {
    const missing: AwayPart[] = [];
    let atMs = part.fromMs;
    const missTo = (toMs: number) => {
      if (toMs - atMs > SEAM_MS_MAX) missing.push({ ...part, fromMs: atMs, toMs });
    };
    for (const { fromMs, toMs } of held) {
      if (toMs <= atMs || fromMs >= part.toMs) continue;
      missTo(fromMs);
      atMs = toMs;
    }
    missTo(part.toMs);
    return missing;
  });
}

/** Init and fragments of all parts, in order of time, nothing twice; the init again where the format changes. */
export async function* playParts({
  deviceId,
  parts,
  sources,
  keyFramesOnly,
  signal,
}: {
  readonly deviceId: DeviceId;
  readonly parts: readonly RecordingPart[];
  readonly sources: RecordingSources;
  readonly keyFramesOnly: boolean;
  readonly signal: AbortSignal;
}): AsyncGenerator<MediaItem> {
  let init: Uint8Array | null = null;
  let sentToMs = Number.NEGATIVE_INFINITY;
  for (const { place, fromMs, toMs } of parts) {
    const source: MediaSource | undefined =
      place === 'HELD' ? sources.held?.source : (sources.remote ?? undefined);
    if (!source) continue;
    const request = { kind: 'PLAYBACK', deviceId, fromMs, toMs } as const;
    const items = source.open(
      { ...request, ...(keyFramesOnly && { keyFramesOnly }) },
      { signal, priority: 'LIVE' },
    );
    for await (const item of items) {
      if (item.kind === 'init') {
        if (init !== null && Buffer.compare(init, item.init.bytes) === 0) continue;
        init = item.init.bytes;
        yield item;
      } else if (item.kind === 'fragment') {
        // Both places may have the group of pictures at their common border: it is one or the other, never half.
        const { fromMs: beginsMs, toMs: endsMs } = item.fragment;
        if (sentToMs - beginsMs > (endsMs - beginsMs) / 2) continue;
        sentToMs = endsMs;
        yield item;
      }
    }
  }
}
