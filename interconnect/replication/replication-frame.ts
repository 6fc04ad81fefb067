import type { LogHead, LogPlace, WishPlace } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { PackedEvents } from './event-frame.js';

/** Why one side will not go on. A refusal is always named, and nothing is applied of what was refused: docs/ERRORS.md. */
export const replicationRefusalCodes = [
  'GAP',
  'FORK',
  'AHEAD',
  'BAD_HASH',
  'BAD_SIGNATURE',
  'UNKNOWN_EPOCH',
  'FENCED',
  'NOT_ENROLLED',
  'PROTOCOL_VIOLATION',
  'UNAVAILABLE',
  'TRUNCATED',
] as const;
export type ReplicationRefusalCode = (typeof replicationRefusalCodes)[number];

export interface ReplicationRefusal {
  readonly code: ReplicationRefusalCode;
  readonly detail: string;
}

/** The end of one epoch of a log. */
export type EpochHead = Pick<LogHead, 'epoch' | 'size' | 'root'>;

export interface HelloFrame {
  readonly kind: 'hello';
  readonly site: string;
  readonly software: string;
  /** Of the child's own log: a signed note, not checked yet. */
  readonly checkpoint: string;
  /** Raw Ed25519: what the child says that it signs with. */
  readonly publicKey: Uint8Array;
  readonly readsZstd: boolean;
}

export interface BatchFrame extends PackedEvents {
  readonly kind: 'batch';
  readonly origin: SiteId;
  readonly epoch: number;
  readonly firstPosition: number;
  /** Over the leaves 1..firstPosition + count - 1. */
  readonly root: Uint8Array;
  /** A signed note, at the end of this batch or beyond; null while the last one still lies ahead. */
  readonly checkpoint: string | null;
  /** RFC 6962 §2.1.2: this root is that of a prefix of what that note, or the last one before, states. Empty where it ends there. */
  readonly consistency: readonly Uint8Array[];
}

export interface RefusedFrame extends ReplicationRefusal {
  readonly kind: 'refused';
  /** Null: it is the last word of the stream. Otherwise only this log goes on no more. */
  readonly origin: SiteId | null;
  /** With AHEAD and FORK: how far the parent's replica reaches. */
  readonly held: LogPlace | null;
}

export interface WantHistoryFrame {
  readonly kind: 'wantHistory';
  /** A log that the child has offered. Null: its own. */
  readonly origin: SiteId | null;
  readonly after: LogPlace;
  readonly limit: number;
}

export type ChildFrame =
  | HelloFrame
  | { readonly kind: 'offer'; readonly checkpoint: string }
  | BatchFrame
  | { readonly kind: 'wantWishes'; readonly after: WishPlace | null }
  | WantHistoryFrame
  | {
      readonly kind: 'pong';
      readonly pingSentAtMs: number;
      readonly receivedAtMs: number;
      readonly sentAtMs: number;
      readonly head: EpochHead;
      /** Those that have changed since the pong before. Null: the child cannot say. */
      readonly relayed: readonly RelayedHead[] | null;
    }
  | RefusedFrame;

/** How far a log below a child reaches, as its site said last to its own parent. */
export interface RelayedHead {
  readonly origin: SiteId;
  /** Of the link of that site to its own parent: as `LinkEstablished` names it. */
  readonly session: number;
  readonly epoch: number;
  readonly size: number;
}

export interface WishesFrame extends PackedEvents {
  readonly kind: 'wishes';
  /** Of the parent's own log. */
  readonly epoch: number;
  readonly firstRevision: number;
  /** The wish after which was asked is not in the parent's log: these begin with the first. */
  readonly fromStart: boolean;
}

export interface HistoryFrame {
  readonly kind: 'history';
  /** Null: there is no more. */
  readonly events: (PackedEvents & { readonly epoch: number; readonly firstPosition: number }) | null;
  /** The newest checkpoint of that log that the parent accepted. Null when it has none. */
  readonly checkpoint: string | null;
  /** The newest one of the epoch of these events. */
  readonly epochCheckpoint: string | null;
}

export interface WelcomeFrame {
  readonly kind: 'welcome';
  readonly site: string;
  readonly software: string;
  readonly session: number;
  readonly heartbeatMs: number;
  readonly readsZstd: boolean;
  /** Raw Ed25519: what the parent cosigns with. */
  readonly publicKey: Uint8Array;
}

export interface WantFrame {
  readonly kind: 'want';
  readonly origin: SiteId;
  /** 0: everything. */
  readonly epoch: number;
  readonly after: number;
  readonly treeEdge: readonly Uint8Array[];
  readonly creditBytes: number;
}

export interface AckFrame {
  readonly kind: 'ack';
  readonly origin: SiteId;
  /** Null: only credit. */
  readonly upTo: LogPlace | null;
  readonly creditBytes: number;
  /** The origin's checkpoint there, with the parent's cosignature. */
  readonly checkpoint: string | null;
  /** What is durable at the topmost parent; null while that is not known. */
  readonly top: LogPlace | null;
}

export type ParentFrame =
  | WelcomeFrame
  | WantFrame
  | AckFrame
  | WishesFrame
  | HistoryFrame
  | { readonly kind: 'ping'; readonly sentAtMs: number }
  | RefusedFrame;

/** The peer does not keep to the protocol. The session ends; the next one begins from what is durable. */
export class ReplicationProtocolError extends Error {
  override readonly name = 'ReplicationProtocolError';
  readonly code = 'REPLICATION_PROTOCOL_VIOLATED';
}
