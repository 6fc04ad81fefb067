import { type MediaItem, readMetadata, type TimeSpan } from '@holdfast/core';

/**
 * The ONVIF metadata of a span, one JSON object in a line (`{"at":"…","xml":"…"}`) for each document, in order of time. What
 * is played from may be recorded without any: then there is nothing.
 */
export async function* metadataLines(
  items: AsyncIterable<MediaItem>,
  { fromMs, toMs }: TimeSpan,
): AsyncGenerator<string> {
  for await (const item of items) {
    if (item.kind !== 'fragment') continue;
    const lines = readMetadata(item.fragment.bytes)
      .filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
      .map(({ atMs, xml }) => `${JSON.stringify({ at: new Date(atMs).toISOString(), xml })}\n`);
    if (lines.length > 0) yield lines.join('');
  }
}
