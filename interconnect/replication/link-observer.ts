import type { SiteId } from '@holdfast/schema';
import type { RelayedHead, ReplicationRefusalCode } from './replication-frame.js';

/** Why a link is down. */
export type LinkLossCause = 'CLOSED' | 'HEARTBEAT_MISSED' | 'FENCED' | 'PROTOCOL_ERROR';

/** What somebody should hear of: a refusal, which its peer hears too, or what only this side has noticed. */
export interface LinkTrouble {
  readonly code: ReplicationRefusalCode | 'WISH_LOST' | 'UNSTORABLE';
  readonly detail: string;
}

/** What a child says of itself over a link, and what was measured on the way. */
export interface LinkMeasurement {
  readonly roundTripMs: number;
  /** The child's clock minus the parent's. */
  readonly clockOffsetMs: number;
  /** The end of the child's log, which may be ahead of what is replicated. */
  readonly epoch: number;
  readonly headPosition: number;
  readonly headRoot: Uint8Array;
  /** Of the logs below the child, what it knows of their heads. Null: it cannot say. */
  readonly relayed: ReadonlyMap<SiteId, RelayedHead> | null;
}

/**
 * Told of every link of a parent. For one site the calls come in order, and `lost` of a session before `established` of
 * the next. Called synchronously: it must not throw and must not wait.
 */
export interface LinkObserver {
  /** An enrolled child with the right certificate has said Hello. Followed by `established` or `lost`. */
  connecting?(site: SiteId): void;
  established(site: SiteId, session: number): void;
  /** `lastEpoch` and `lastPosition`: what is durable here of its log. 0 when that is not known. */
  lost(site: SiteId, cause: LinkLossCause, lastEpoch: number, lastPosition: number): void;
  measured(site: SiteId, measurement: LinkMeasurement): void;
  /** New events of this log, which a child relays, were stored here: it goes on, whatever was refused before. */
  relayed?(site: SiteId): void;
  /**
   * The log of this site was refused here or by the child that brings it, or whatever its certificate was shown with. Again at every attempt. `WISH_LOST`, in every
   * session until it has answered another one: it has answered a wish that its parent's log does not hold.
   * `UNSTORABLE`: its events were acknowledged on the backbone, and the database refuses their values.
   * `broughtBy`: the child that relays this log; null or left out for the session of the site itself.
   */
  refused?(site: SiteId, trouble: LinkTrouble, broughtBy?: SiteId | null): void;
}
