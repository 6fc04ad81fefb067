import {
  type LogHead,
  type NoteSigner,
  type SealedEpoch,
  type Sha256,
  type SignedCheckpoint,
  type SiteLog,
  signCheckpoint,
} from '@holdfast/core';
import { leafHashesOf, type ReadLeafHashes } from './subtree-hashes.js';

/** A log that a child offers to its parent: its own, or a replica that it relays. */
export interface OfferedLog extends Pick<SiteLog, 'read' | 'subscribe'> {
  /** Epochs that are over, as far as their ends are known here: what a log that has lost its beginning is compared by. */
  epochs(): readonly SealedEpoch[];
  /** The newest checkpoint, signed by the site that the log is of. Where all of a replica is lost, its head is the start of the log. */
  newest(): Promise<SignedCheckpoint>;
  /** A checkpoint of this epoch at this end or beyond, signed by that site. Events up to there are to be had. */
  checkpointFor(end: LogHead): Promise<SignedCheckpoint>;
  readonly leafHashes: ReadLeafHashes;
}

/** The site's own log: it can sign wherever a batch ends. */
export function offerOwnLog(log: SiteLog, signer: NoteSigner, sha256: Sha256): OfferedLog {
  const sign = (head: LogHead): SignedCheckpoint => ({ head, note: signCheckpoint(head, signer, sha256) });
  return {
    read: options => log.read(options),
    subscribe: options => log.subscribe(options),
    epochs: () => log.epochs(),
    newest: async () => sign(log.head()),
    checkpointFor: async end => sign(end),
    leafHashes: async options => {
      return leafHashesOf(await log.read(options), options.after);
    },
  };
}
