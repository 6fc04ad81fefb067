import type {
  CameraRefusalCode,
  InitSegment,
  LiveReduction,
  MediaPriority,
  MediaRefusalCode,
  MediaRequest,
} from '@holdfast/core';
import type {
  CameraAnswer,
  CameraRequest,
  DeviceId,
  RecordingServerId,
  SegmentId,
  SiteId,
  SpeakRequest,
  TimeSource,
} from '@holdfast/schema';

/** Raised when a peer must know the difference; both sides must say the same. */
export const MEDIA_PROTOCOL_VERSION = 1;

export type CloseCode = MediaRefusalCode | 'DONE' | 'CANCELLED' | 'FAULT';

/** What stands before the bytes of a `MediaItem`. */
export type ItemHead =
  | { readonly kind: 'init'; readonly codecs: InitSegment['codecs'] }
  | {
      readonly kind: 'fragment';
      readonly fromMs: number;
      readonly toMs: number;
      readonly arrivalMs: number;
      readonly beginsWithKeyFrame: boolean;
      readonly timeSource: TimeSource;
      readonly reducedBecause: LiveReduction | null;
    }
  | { readonly kind: 'manifest' }
  | { readonly kind: 'missing'; readonly segmentId: SegmentId; readonly cause: string };

export interface HelloFrame {
  readonly kind: 'hello';
  readonly protocolVersion: number;
  readonly siteId: SiteId;
  readonly recordingServerId: RecordingServerId | null;
  readonly software: string;
  /** Its cameras can be told what to do. */
  readonly takesControl: boolean;
}

export interface OpenFrame {
  readonly kind: 'open';
  readonly channel: number;
  readonly request: MediaRequest;
  readonly priority: MediaPriority;
  readonly creditBytes: number;
}

export interface PieceFrame {
  readonly kind: 'piece';
  readonly channel: number;
  /** In the first piece of an item, with the length of the whole item. Null in the others. */
  readonly head: ItemHead | null;
  readonly itemByteLength: number;
  readonly data: Uint8Array;
  readonly last: boolean;
}

export interface CloseFrame {
  readonly kind: 'close';
  readonly channel: number;
  readonly code: CloseCode;
  readonly detail: string;
}

export interface ControlFrame {
  readonly kind: 'control';
  readonly id: number;
  readonly deviceId: DeviceId;
  /** Null: one that this software does not know. */
  readonly request: CameraRequest | SpeakRequest | null;
  readonly askedBy: string;
}

export interface ControlAnswerFrame {
  readonly kind: 'controlAnswer';
  readonly id: number;
  readonly outcome:
    | { readonly done: true; readonly answer: CameraAnswer }
    | { readonly done: false; readonly refusal: CameraRefusalCode; readonly detail: string };
}

export interface SoundFrame {
  readonly kind: 'sound';
  /** Of the request to speak. */
  readonly id: number;
  readonly data: Uint8Array;
}

export interface SoundEndFrame {
  readonly kind: 'soundEnd';
  readonly id: number;
  readonly detail: string;
}

export type MediaFrame =
  | HelloFrame
  | OpenFrame
  | PieceFrame
  | { readonly kind: 'credit'; readonly channel: number; readonly byteCount: number }
  | CloseFrame
  | { readonly kind: 'received'; readonly byteCount: number }
  | { readonly kind: 'heartbeat' }
  | ControlFrame
  | ControlAnswerFrame
  | SoundFrame
  | SoundEndFrame;

/** A piece is never larger, whoever sends it. */
export const PIECE_BYTES_MAX = 256 * 1024;
/** What a piece costs beside its bytes: its header on the wire, and a price for pieces without bytes. */
export const PIECE_OVERHEAD_BYTES = 64;
/** The largest GOP that is worth carrying: 10 s at 25 Mbit/s. One item is put together in memory before it is given out. */
export const ITEM_BYTES_MAX = 32 * 1024 * 1024;

export function pieceCost(data: Uint8Array): number {
  return data.byteLength + PIECE_OVERHEAD_BYTES;
}

/** What the peer sent is not in this protocol. The stream that brought it is closed; nothing else is harmed. */
export class MediaProtocolError extends Error {
  override readonly name = 'MediaProtocolError';
  readonly code = 'MEDIA_PROTOCOL_VIOLATED';
}
