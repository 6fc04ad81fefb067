import type { MediaRefusalCode, MediaSource, TimeSpan } from '@holdfast/core';
import type { DeviceId, RecordingServerId } from '@holdfast/schema';
import type { MediaDatabase } from '@holdfast/sites';

export interface MediaRefusal {
  readonly refused: MediaRefusalCode | 'NO_DECODER' | 'NOTHING_RECORDED';
  /** In words. */
  readonly message: string;
}

export function isRefusal(answer: object): answer is MediaRefusal {
  return 'refused' in answer;
}

export function notConnected({ recordingServerId }: Pick<AwayPart, 'recordingServerId'>) {
  return {
    refused: 'NOT_CONNECTED' as const,
    message: `recording server ${recordingServerId} is not connected: its link may be down`,
  };
}

/** Recordings that lie in this central's own media database, or at a recording server of its own site. */
export interface HeldRecordings {
  readonly source: MediaSource;
  /** What of [fromMs, toMs) is there, in order. */
  spans(span: TimeSpan): Promise<readonly TimeSpan[]> | readonly TimeSpan[];
  /** The one media database that has all of the span, and all sealed, for answers of known length. Null: they can only be streamed. */
  databaseOf(span: TimeSpan): MediaDatabase | null;
}

/** A stretch that is known to be recorded, at a recording server that is not connected. */
export interface AwayPart extends TimeSpan {
  readonly recordingServerId: RecordingServerId;
}

export interface RecordingSources {
  readonly held: HeldRecordings | null;
  /** Over the media channel of the device's site. Null: the device is ours, or its link is down. */
  readonly remote: MediaSource | null;
  /** What of a span neither of the two can give at this moment, but what is held here besides; in order of time. */
  away(span: TimeSpan): Promise<readonly AwayPart[]>;
}

/** Where the media of a device are to be had at this moment. */
export interface MediaDirectory {
  liveSource(deviceId: DeviceId): Promise<MediaSource | MediaRefusal>;
  recordingSources(deviceId: DeviceId): Promise<RecordingSources | MediaRefusal>;
  /** A JPEG of the picture at `atMs`; null: the newest. */
  snapshot(
    deviceId: DeviceId,
    atMs: number | null,
    signal: AbortSignal,
  ): Promise<{ readonly jpeg: Uint8Array; readonly atMs: number | null } | MediaRefusal>;
}

/**
 * The recordings of a device in media databases of this process: several, when its hardware was moved from one recording server to
 * another.
 */
export function heldInMediaDatabases(
  databases: readonly MediaDatabase[],
  deviceId: DeviceId,
): HeldRecordings {
  const piecesOf = ({ fromMs, toMs }: TimeSpan) =>
    joinPieces(
      databases.flatMap(database => {
        const open = database.openSpan(deviceId);
        const spans = database.spans({ deviceId, fromMs, toMs });
        const all = open === null || open.toMs <= fromMs || open.fromMs >= toMs ? spans : [...spans, open];
        return all.map(span => ({ from: database, fromMs: span.fromMs, toMs: span.toMs }));
      }),
    );
  return {
    databaseOf(span) {
      const places = [...new Set(piecesOf(span).map(piece => piece.from))];
      const [only] = places;
      const open = only?.openSpan(deviceId) ?? null;
      const isSealed = open === null || open.fromMs >= span.toMs || open.toMs <= span.fromMs;
      return only !== undefined && places.length === 1 && isSealed ? only : null;
    },
    spans: piecesOf,
    source: {
      async *open(request, { signal }) {
        if (request.kind === 'PLAYBACK') {
          for (const { from, ...piece } of piecesOf(request)) {
            const fromMs = Math.max(piece.fromMs, request.fromMs);
            const toMs = Math.min(piece.toMs, request.toMs);
            yield* from.read({ ...request, fromMs, toMs, signal });
          }
        } else if (request.kind === 'RETRIEVE' && databases.length === 1) {
          yield* databases[0]!.readSegments({ ...request, signal });
        } else throw new RangeError('a media database has no live pictures');
      },
    },
  };
}

/** A stretch of recording and the place that has it. */
export interface Piece<Place> extends TimeSpan {
  readonly from: Place;
}

/** In order of time; what one place has, with nothing of another between, is one piece. */
export function joinPieces<Place>(pieces: readonly Piece<Place>[]): readonly Piece<Place>[] {
  const joined: Piece<Place>[] = [];
  for (const piece of pieces.toSorted((one, other) => one.fromMs - other.fromMs)) {
    const last = joined.at(-1);
    if (last !== undefined && last.from === piece.from && piece.fromMs <= last.toMs)
      joined[joined.length - 1] = { ...last, toMs: Math.max(last.toMs, piece.toMs) };
    else joined.push(piece);
  }
  return joined;
}
