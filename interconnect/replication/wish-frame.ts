import { decodeRecordedEvent, EnvelopeError, type RecordedEvent, type Sha256 } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { cutIntoFrames, FrameMalformedError, packEvents, unpackEvents } from './event-frame.js';
import type { WishesFrame } from './replication-frame.js';

/** Wishes that do not follow the last one, or are none of ours. They are not answered. */
export class WishGapError extends Error {
  override readonly name = 'WishGapError';
  readonly code = 'WISHES_NOT_IN_ORDER';
  readonly refusalCode: 'GAP' | 'BAD_HASH';

  constructor(refusalCode: 'GAP' | 'BAD_HASH', detail: string, cause?: unknown) {
    super(detail, { cause });
    this.refusalCode = refusalCode;
  }
}

/** As many of these wishes (at least one, in order) as go into one frame. */
export function packWishes(
  wishes: readonly RecordedEvent[],
  { fromStart, mayCompress }: { readonly fromStart: boolean; readonly mayCompress: boolean },
): WishesFrame {
  const events = cutIntoFrames(wishes).next().value as readonly RecordedEvent[];
  const [first] = events;
  return {
    kind: 'wishes',
    epoch: first!.epoch,
    firstRevision: first!.revision,
    fromStart,
    ...packEvents(events, mayCompress),
  };
}

/**
 * The wishes behind the one after which was asked: what lies before is dropped, the rest must follow without a gap. Throws
 * `WishGapError`.
 */
export function readWishes(options: {
  readonly frame: WishesFrame;
  readonly parent: SiteId;
  readonly stream: string;
  /** Revision of the wish after which was asked. */
  readonly after: number | null;
  readonly sha256: Sha256;
}): readonly RecordedEvent[] {
  const { frame, after } = options;
  const events = decodeWishes(options);
  const next = after === null || frame.fromStart ? 0 : after + 1;
  if (frame.firstRevision > next) {
    throw new WishGapError('GAP', `wishes begin at revision ${frame.firstRevision}, the next is ${next}`);
  }
  return events.slice(next - frame.firstRevision);
}

function decodeWishes(options: {
  readonly frame: WishesFrame;
  readonly parent: SiteId;
  readonly stream: string;
  readonly sha256: Sha256;
}): readonly RecordedEvent[] {
  const { frame, parent, stream, sha256 } = options;
  try {
    return unpackEvents(frame).map(({ header, data }, index) => {
      const event = decodeRecordedEvent(header, data, sha256);
      const revision = frame.firstRevision + index;
      if (event.site !== parent || event.stream !== stream || event.revision !== revision) {
        const found = `${event.site} ${event.stream} ${event.revision}`;
        throw new WishGapError('BAD_HASH', `at ${parent} ${stream} ${revision} stands the event ${found}`);
      }
      return event;
    });
  } catch (error) {
    if (error instanceof FrameMalformedError || error instanceof EnvelopeError) {
      throw new WishGapError(
        'BAD_HASH',
        `the wishes from ${frame.firstRevision} on: ${error.message}`,
        error,
      );
    }
    throw error;
  }
}
