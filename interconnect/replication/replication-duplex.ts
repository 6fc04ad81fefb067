import type { SiteId } from '@holdfast/schema';
import type { ChildFrame, ParentFrame } from './replication-frame.js';

export interface DuplexListener<In> {
  readonly onFrame: (frame: In) => void;
  /** After `send` said false: the stream takes more. */
  readonly onDrain: () => void;
  /** The stream is over, from the other side or on the way. Once; nothing comes after it. */
  readonly onLost: (detail: string) => void;
  /** The peer sent what is no frame. */
  readonly onGarbled: (detail: string) => void;
}

/** An ordered stream of frames in both directions between a child and its parent, however it is carried. */
export interface ReplicationDuplex<In, Out> {
  /** The site that the peer has proved to be, once it has said something. Null when it has proved none. */
  peerSite(): SiteId | null;
  /** Takes the frame in any case; false asks to wait for `onDrain` with the next one that can wait. */
  send(frame: Out): boolean;
  /** Called once, before anything is sent. */
  listen(listener: DuplexListener<In>): void;
  /** Ends the stream when what was sent has had time to arrive. */
  end(): void;
}

/** As the child holds it. */
export interface ParentDuplex extends ReplicationDuplex<ParentFrame, ChildFrame> {
  /** Cuts both directions at once. */
  cancel(): void;
}
/** As the parent holds it. */
export type ChildDuplex = ReplicationDuplex<ChildFrame, ParentFrame>;
