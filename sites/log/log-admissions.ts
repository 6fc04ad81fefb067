import { SiteId } from '@holdfast/schema';
import { assertSiteLogFile, readSiteLogState } from './site-log-file.js';
import { openForReading } from './site-log-reader.js';
import { pinnedKeyIn } from './trusted-keys.js';

/** What a log says of the sites that report to its own: which they are, and by which keys they are believed. */
export interface LogAdmissions {
  readonly children: ReadonlySet<SiteId>;
  /** Raw Ed25519; several where one was pinned anew. */
  readonly logKeys: ReadonlyMap<SiteId, readonly Uint8Array[]>;
}

const CHILD_STREAM_PREFIX = 'child-site-';
const LOG_KEY_STREAM_PREFIX = 'log-key-';

/** Reads no more of a log than that, also what was carried over its cut. Throws `SiteLogFileError`. */
export function readLogAdmissions(file: string): LogAdmissions & { readonly site: SiteId } {
  const db = openForReading(file);
  try {
    assertSiteLogFile(db, file);
    const { site } = readSiteLogState(db, file);
    const rowsWith = (prefix: string) =>
      db.prepare(EVENTS_WITH_PREFIX).all(prefix, `${prefix}\u{10ffff}`) as unknown as readonly StreamRow[];
    const children = rowsWith(CHILD_STREAM_PREFIX).flatMap(
      ({ stream }) => siteOfStream(stream, CHILD_STREAM_PREFIX) ?? [],
    );
    const logKeys = new Map<SiteId, Uint8Array[]>();
    for (const { stream, data } of rowsWith(LOG_KEY_STREAM_PREFIX)) {
      const pinned = siteOfStream(stream, LOG_KEY_STREAM_PREFIX);
      const publicKey = pinnedKeyIn(data);
      if (pinned !== null && publicKey !== null)
        logKeys.set(pinned, [...(logKeys.get(pinned) ?? []), publicKey]);
    }
    return { site, children: new Set(children), logKeys };
  } finally {
    db.close();
  }
}

/** Null: the stream is of no site. */
function siteOfStream(stream: string, prefix: string): SiteId | null {
  return SiteId.safeParse(stream.slice(prefix.length)).data ?? null;
}

interface StreamRow {
  readonly stream: string;
  readonly data: Uint8Array;
}

const EVENTS_WITH_PREFIX = `
  SELECT stream, data FROM event WHERE key IN (
    SELECT key FROM stream_index WHERE stream >= ?1 AND stream < ?2
    UNION ALL SELECT key FROM event
    WHERE key > (SELECT indexed_key FROM log) AND stream >= ?1 AND stream < ?2)
  UNION ALL SELECT stream, data FROM carried_event WHERE stream >= ?1 AND stream < ?2`;
