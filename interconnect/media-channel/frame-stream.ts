import type { MediaFrame } from './media-frame.js';

export interface FrameListener {
  readonly onFrame: (frame: MediaFrame) => void;
  /** After `write` said false: the stream takes more. */
  readonly onDrain: () => void;
  /** Once; nothing comes after it. */
  readonly onLost: (detail: string) => void;
  /** The peer sent something that is no frame. */
  readonly onGarbled: (detail: string) => void;
}

/** An ordered stream of frames in both directions, however it is carried. */
export interface FrameStream {
  /** Takes the frame in any case; false asks to wait for `onDrain` with the next one that can wait. */
  write(frame: MediaFrame): boolean;
  /** Frames that came before are kept until then. Called once. */
  listen(listener: FrameListener): void;
  /** Ends both directions. With a reason the peer is told of it. */
  close(reason: string | null): void;
}
