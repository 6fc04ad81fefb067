import { extendEdge, type RecordedEvent, rootOf, type Sha256, type SignedCheckpoint } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { acceptBatch, type BatchVerdict } from '../replication/acceptance.js';
import { cutIntoFrames, packEvents } from '../replication/event-frame.js';
import type { ReplicaCursor } from '../replication/replica-intake.js';
import type { BackboneFrame } from './backbone.js';

/** The frames that lead a replica from one cursor to another. */
export function framesOf(
  batch: {
    readonly site: SiteId;
    readonly fence: number;
    readonly before: ReplicaCursor;
    readonly after: ReplicaCursor;
    readonly events: readonly RecordedEvent[];
    readonly checkpoint?: SignedCheckpoint;
  },
  sha256: Sha256,
): BackboneFrame[] {
  const { site, fence, before, after } = batch;
  const { epoch } = after;
  let { position, treeEdge } = epoch === before.epoch ? before : { position: 0, treeEdge: [] };
  return Array.from(cutIntoFrames(batch.events), events => {
    const leafHashes = events.map(event => event.leafHash);
    treeEdge = extendEdge(treeEdge, position, leafHashes, sha256);
    const firstPosition = position + 1;
    position += events.length;
    const root = rootOf(treeEdge, position, sha256);
    // With the last frame: what it covers is on the backbone then.
    const checkpoint = position === after.position ? (batch.checkpoint?.note ?? null) : null;
    const place = { origin: site, epoch, firstPosition, root, checkpoint, consistency: [] };
    return { site, session: fence, frame: { kind: 'batch', ...place, ...packEvents(events, true) } };
  });
}

/**
 * The acceptance rule for what comes off a backbone, where a frame may come again when a newer epoch has long begun.
 * Whoever published it has seen the site's own word for it; here its root is believed, and its events are not.
 */
export function acceptFrame(
  { site, frame }: BackboneFrame,
  cursor: ReplicaCursor,
  sha256: Sha256,
): BatchVerdict {
  if (frame.epoch < cursor.epoch) return { accepted: true, events: [], cursor };
  const signed = { epoch: frame.epoch, size: frame.firstPosition + frame.count - 1, root: frame.root };
  return acceptBatch({ site, cursor, batch: frame, signed, sha256 });
}
