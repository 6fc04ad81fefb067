import { decodeBase64, decodeEventData, type LogPlace, placeOf, type RecordedEvent } from '@holdfast/core';
import type { HoldfastEvent, RecordingServerId, SegmentId, SiteId } from '@holdfast/schema';
import type { UnreadEvents, UnreadSpan } from './log/whole-events.js';
import type { SealedFact } from './recording-server/media-database/verify-media.js';
import type { ObjectStoreAccess } from './recording-server/object-store/object-store.js';
import { objectStoresIn } from './site-storages.js';

/** Of what was not read; the others are in the report for programs. */
const SPANS_IN_WORDS_MAX = 10;

/** What a log says of recordings and of whom it believes. Memory is that of what is held now, not of all that ever was. */
export interface RecordingsInLog {
  readonly byServer: Map<RecordingServerId, Map<SegmentId, SaidOfSegment>>;
  /** Folders of live databases and archives that ever were configured, beside the media directories. */
  readonly stages: Map<RecordingServerId, Set<string>>;
  readonly objectStores: ObjectStoreAccess[];
  readonly children: Set<SiteId>;
  readonly logKeys: Map<SiteId, readonly Uint8Array[]>;
  /** Whole events that this software cannot read, e.g. of newer software, though they are of a type that it needs. */
  readonly notUnderstood: { readonly place: LogPlace; readonly detail: string }[];
  /** Null: the key of the site is not here, so that archives in object stores cannot be read. */
  readonly sealingKeyPem: string | null;
  /** Whether the signature of the site stands behind the event at a place. */
  readonly isSigned: (place: LogPlace) => boolean;
}

export interface SaidOfSegment extends SealedFact {
  /** Whether the signature of the site stands behind what is said. */
  readonly isSigned: boolean;
  /** An event says so that the site has not signed: whoever can write the file may have put it there. */
  readonly isSaidDeleted: boolean;
}

export function recordingsInLog(known: Pick<RecordingsInLog, 'sealingKeyPem' | 'isSigned'>): RecordingsInLog {
  return {
    ...{ byServer: new Map(), stages: new Map(), objectStores: [], children: new Set(), logKeys: new Map() },
    ...{ notUnderstood: [], ...known },
  };
}

export function collectRecordings(events: readonly RecordedEvent[], into: RecordingsInLog): void {
  for (const event of events) {
    if (!typesRead.has(event.type)) continue;
    try {
      collect(decodeEventData(event), into, () => into.isSigned(event));
    } catch (error) {
      into.notUnderstood.push({
        place: placeOf(event),
        detail: error instanceof Error ? error.message : String(error),
      });
    }
  }
}

/** Segments behind which no signature stands. */
export function unsignedCount({ byServer }: RecordingsInLog): number {
  let count = 0;
  for (const said of byServer.values()) for (const { isSigned } of said.values()) if (!isSigned) count += 1;
  return count;
}

/**
 * Null: all that the log says of recordings was read. Otherwise a damaged event of a log would pass for the only thing that is not
 * proven.
 */
export function unreadInWords(said: RecordingsInLog, unread: UnreadEvents): string | null {
  const { count, spans, isCarriedAmong } = unread;
  const places = spans.slice(0, SPANS_IN_WORDS_MAX).map(spanInWords).join(', ');
  const more = spans.length > SPANS_IN_WORDS_MAX ? ', …' : '';
  const events = [
    ...(spans.length > 0 ? [`${count ?? 'the'} events (${places}${more}) that cannot be read`] : []),
    ...(isCarriedAmong ? ['some that were carried over the cut and cannot be read'] : []),
    ...(said.notUnderstood.length > 0 ? [`${said.notUnderstood.length} of newer software`] : []),
  ];
  if (events.length === 0) return null;
  const unsigned = unsignedCount(said);
  const bySelf =
    'segments are held against events that only their own hashes speak for: no signature is met there';
  return [
    `what is said of recordings by ${events.join(' and ')} is not proven; media check compares those with their manifests`,
    ...(unsigned > 0 ? [`${unsigned} ${bySelf}`] : []),
  ].join('; ');
}

function spanInWords({ epoch, from, to }: UnreadSpan): string {
  if (to === null) return `from ${epoch}/${from} on`;
  return from === to ? `${epoch}/${from}` : `${epoch}/${from} to ${epoch}/${to}`;
}

const typesRead: ReadonlySet<string> = new Set([
  'RecordingServerRegistered',
  'StorageConfigured',
  'RecordingSealed',
  'RecordingReduced',
  'RetrievalProgressed',
  'RecordingDeleted',
  'ChildSiteEnrolled',
  'LogKeyPinned',
] satisfies HoldfastEvent['type'][]);

function collect(event: HoldfastEvent, facts: RecordingsInLog, isSigned: () => boolean): void {
  const { byServer, stages, objectStores, sealingKeyPem } = facts;
  switch (event.type) {
    case 'ChildSiteEnrolled':
      facts.children.add(event.data.siteId);
      break;
    case 'LogKeyPinned': {
      const { siteId, publicKey } = event.data;
      const key = decodeBase64(publicKey);
      if (key !== null) facts.logKeys.set(siteId, [...(facts.logKeys.get(siteId) ?? []), key]);
      break;
    }
    case 'RecordingServerRegistered':
      byServer.set(event.data.recordingServerId, new Map());
      break;
    case 'StorageConfigured': {
      const { recordingServerId, live, archives } = event.data;
      const known = stages.get(recordingServerId) ?? new Set<string>();
      stages.set(recordingServerId, known);
      for (const { path: folder } of [live, ...archives]) if (folder !== null) known.add(folder);
      if (sealingKeyPem !== null) objectStores.push(...objectStoresIn(event.data, sealingKeyPem));
      break;
    }
    case 'RecordingSealed': {
      const { deviceId, recordingServerId, segments } = event.data;
      const known = byServer.get(recordingServerId) ?? new Map<SegmentId, SaidOfSegment>();
      byServer.set(recordingServerId, known);
      const signed = isSigned();
      for (const segment of segments)
        known.set(segment.segmentId, { deviceId, segment, isSigned: signed, isSaidDeleted: false });
      break;
    }
    case 'RetrievalProgressed': {
      // Retrieved recordings are kept by the first recording server of a site.
      const [retrieved] = byServer.values();
      const { deviceId, segments } = event.data;
      const signed = isSigned();
      for (const segment of segments)
        retrieved?.set(segment.segmentId, { deviceId, segment, isSigned: signed, isSaidDeleted: false });
      break;
    }
    case 'RecordingReduced': {
      const held = byServer.get(event.data.recordingServerId);
      for (const { segmentId, digest } of event.data.segments) {
        const known = held?.get(segmentId);
        if (known)
          held!.set(segmentId, {
            ...known,
            isSigned: known.isSigned && isSigned(),
            segment: { ...known.segment, digest },
          });
      }
      break;
    }
    case 'RecordingDeleted': {
      const held = byServer.get(event.data.recordingServerId);
      const signed = isSigned();
      for (const segmentId of event.data.segmentIds) {
        const known = held?.get(segmentId);
        if (signed) held?.delete(segmentId);
        else if (known) held!.set(segmentId, { ...known, isSaidDeleted: true });
      }
      break;
    }
  }
}
