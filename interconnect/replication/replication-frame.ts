import type { LogHead } from '@holdfast/core';
import type { PackedEvents } from './event-frame.js';

/** Why one side will not go on. A refusal is always named, and nothing is applied of what was refused. */
export type ReplicationRefusalCode =
  | 'GAP'
  | 'FORK'
  | 'AHEAD'
  | 'BAD_HASH'
  | 'BAD_SIGNATURE'
  | 'UNKNOWN_EPOCH'
  | 'FENCED'
  | 'NOT_ENROLLED'
  | 'PROTOCOL_VIOLATION'
  | 'UNAVAILABLE';

export interface ReplicationRefusal {
  readonly code: ReplicationRefusalCode;
  readonly detail: string;
}

/** The end of one epoch of a log. */
export type EpochHead = Pick<LogHead, 'epoch' | 'size' | 'root'>;

export interface BatchFrame extends PackedEvents {
  readonly kind: 'batch';
  readonly epoch: number;
  readonly firstPosition: number;
  /** Over the leaves 1..firstPosition + count - 1. */
  readonly root: Uint8Array;
}

export type ChildFrame =
  | {
      readonly kind: 'hello';
      readonly site: string;
      readonly software: string;
      readonly head: EpochHead;
      readonly readsZstd: boolean;
    }
  | BatchFrame
  | { readonly kind: 'wantWishes'; readonly afterRevision: number | null }
  | {
      readonly kind: 'pong';
      readonly pingSentAtMs: number;
      readonly receivedAtMs: number;
      readonly sentAtMs: number;
      readonly head: EpochHead;
    }
  | ({ readonly kind: 'refused' } & ReplicationRefusal);

export interface WishesFrame extends PackedEvents {
  readonly kind: 'wishes';
  /** Of the parent's own log. */
  readonly epoch: number;
  readonly firstRevision: number;
}

export interface WantFrame {
  readonly kind: 'want';
  readonly epoch: number;
  readonly after: number;
  readonly treeEdge: readonly Uint8Array[];
  readonly creditBytes: number;
}

export type ParentFrame =
  | {
      readonly kind: 'welcome';
      readonly site: string;
      readonly software: string;
      readonly session: number;
      readonly heartbeatMs: number;
      readonly readsZstd: boolean;
    }
  | WantFrame
  | { readonly kind: 'ack'; readonly epoch: number; readonly position: number; readonly creditBytes: number }
  | WishesFrame
  | { readonly kind: 'ping'; readonly sentAtMs: number }
  | ({ readonly kind: 'refused' } & ReplicationRefusal);

/** The peer does not keep to the protocol. The session ends; the next one begins from what is durable. */
export class ReplicationProtocolError extends Error {
  override readonly name = 'ReplicationProtocolError';
  readonly code = 'REPLICATION_PROTOCOL_VIOLATED';
}
