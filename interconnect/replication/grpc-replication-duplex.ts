import { constants, type ServerHttp2Stream } from 'node:http2';
import { ChannelCredentials, type ClientDuplexStream, type ServerDuplexStream } from '@grpc/grpc-js';
import { ReplicationClient, type WireChildFrame, type WireParentFrame } from '@holdfast/protos';
import type { PeerCredentials } from '../certificates/certificate-authority.js';
import { siteOfCertificate } from '../certificates/site-of-certificate.js';
import { createGrpcChannel, type PeerAddress } from '../transport/grpc-channel.js';
import type { ChildDuplex, DuplexListener, ParentDuplex } from './replication-duplex.js';
import { type ChildFrame, type ParentFrame, ReplicationProtocolError } from './replication-frame.js';
import {
  childFrameFromWire,
  childFrameToWire,
  parentFrameFromWire,
  parentFrameToWire,
} from './replication-frame.wire.js';

export type ChildCall = ServerDuplexStream<WireChildFrame, WireParentFrame>;
type ParentCall = ClientDuplexStream<WireChildFrame, WireParentFrame>;

/** How long a last word may take to its reader before the stream is cut. */
const LAST_WORD_MS_MAX = 2_000;

const FRAME_BYTES_MIN = 256;
/** Of a child, beyond what its connection holds: ten thousand logs that are acknowledged in one go, and far more. */
const UNTAKEN_BYTES_MAX = 32 * 1024 * 1024;

/** Dials a parent: one connection with one stream. What goes wrong with it is told to the listener. */
export function dialParent(options: {
  readonly parent: PeerAddress;
  readonly credentials: PeerCredentials;
}): ParentDuplex {
  const channel = createGrpcChannel({ peer: options.parent, credentials: options.credentials });
  const client = new ReplicationClient('unused', ChannelCredentials.createInsecure(), {
    channelOverride: channel,
  });
  const call = (client as unknown as { sync(): ParentCall }).sync();
  call.on('error', () => undefined);
  call.on('status', () => channel.close());
  return {
    peerSite: () => siteOfCertificate(call.getAuthContext()?.sslPeerCertificate),
    send: (frame: ChildFrame) => call.write(childFrameToWire(frame)),
    listen: (listener: DuplexListener<ParentFrame>) => {
      call.on('data', (wire: WireParentFrame) => give(() => parentFrameFromWire(wire), listener));
      call.on('drain', listener.onDrain);
      call.on('error', (error: Error) => listener.onLost(error.message));
      call.on('end', () => listener.onLost('closed by the parent'));
    },
    end: () => {
      // The parent ends the stream when it has read the last word; a parent that does not is cut off.
      call.end();
      const cutting = setTimeout(() => call.cancel(), LAST_WORD_MS_MAX);
      cutting.unref();
      call.on('status', () => clearTimeout(cutting));
    },
    cancel: () => call.cancel(),
  };
}

/** The stream of a child that has dialled this server. One that takes nothing of what it is told is let go. */
export function duplexOfChild(call: ChildCall): ChildDuplex {
  call.on('error', () => undefined);
  let untakenBytes = 0;
  let onLost: (detail: string) => void = () => undefined;
  return {
    peerSite: () => siteOfCertificate(call.getAuthContext().sslPeerCertificate),
    send: (frame: ParentFrame) => {
      const bytes = roughBytesOf(frame);
      untakenBytes += bytes;
      const takesMore = call.write(parentFrameToWire(frame), () => {
        untakenBytes -= bytes;
      });
      if (untakenBytes > UNTAKEN_BYTES_MAX && !call.destroyed) {
        cut(call);
        queueMicrotask(() => onLost(`has not taken ${untakenBytes} bytes that it was told`));
      }
      return takesMore;
    },
    listen: (listener: DuplexListener<ChildFrame>) => {
      onLost = listener.onLost;
      call.on('data', (wire: WireChildFrame) => give(() => childFrameFromWire(wire), listener));
      call.on('drain', listener.onDrain);
      call.on('error', (error: Error) => listener.onLost(error.message));
      call.on('cancelled', () => listener.onLost('cancelled by the child or its connection'));
      call.on('end', () => listener.onLost('ended by the child'));
    },
    end: () => call.end(),
  };
}

/** What waits in a stream is let go only with it, and grpc-js has no way to end one whose reader takes nothing (1.14; held by a test). */
function cut(call: ChildCall): void {
  const inner = call as unknown as { readonly call?: { readonly stream?: ServerHttp2Stream } };
  inner.call?.stream?.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  call.destroy();
}

/** Of what a frame weighs while it waits: its long parts, and what it costs at least. */
function roughBytesOf(frame: ParentFrame): number {
  const events =
    frame.kind === 'wishes' ? frame.events : frame.kind === 'history' ? frame.events?.events : null;
  const note = frame.kind === 'ack' || frame.kind === 'history' ? frame.checkpoint : null;
  return FRAME_BYTES_MIN + (events?.length ?? 0) + (note?.length ?? 0);
}

function give<Frame>(read: () => Frame, listener: DuplexListener<Frame>): void {
  let frame: Frame;
  try {
    frame = read();
  } catch (error) {
    if (!(error instanceof ReplicationProtocolError)) throw error;
    listener.onGarbled(error.message);
    return;
  }
  listener.onFrame(frame);
}
