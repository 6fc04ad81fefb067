import { type ClientDuplexStream, type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { WireChannelFrame } from '@holdfast/protos';
import type { FrameListener, FrameStream } from './frame-stream.js';
import { type MediaFrame, MediaProtocolError } from './media-frame.js';
import { fromWire, toWire } from './media-frame.wire.js';

type ClientCall = ClientDuplexStream<WireChannelFrame, WireChannelFrame>;
type ServerCall = ServerDuplexStream<WireChannelFrame, WireChannelFrame>;

export function frameStreamOfClient(call: ClientCall): FrameStream {
  return frameStream(call, () => call.cancel());
}

export function frameStreamOfServer(call: ServerCall): FrameStream {
  return frameStream(call, reason => {
    if (reason === null) call.end();
    else call.emit('error', { code: status.FAILED_PRECONDITION, details: reason });
  });
}

function frameStream(call: ClientCall | ServerCall, close: (reason: string | null) => void): FrameStream {
  let isOpen = true;
  const lost = (listener: FrameListener, detail: string) => {
    if (!isOpen) return;
    isOpen = false;
    listener.onLost(detail);
    // A peer that has ended its direction is answered, else the call would stay half open.
    close(null);
  };
  // An error event without a listener would end the process, also long after the call has been closed here.
  call.on('error', () => undefined);
  return {
    write: frame => (isOpen ? call.write(toWire(frame)) : true),
    listen: listener => {
      call.on('data', (wire: WireChannelFrame) => {
        if (isOpen) give(wire, listener);
      });
      call.on('drain', () => {
        if (isOpen) listener.onDrain();
      });
      call.on('error', (error: Error) => lost(listener, error.message));
      call.on('cancelled', () => lost(listener, 'cancelled by the peer'));
      call.on('end', () => lost(listener, 'ended by the peer'));
      call.on('close', () => lost(listener, 'closed'));
    },
    close: reason => {
      if (!isOpen) return;
      isOpen = false;
      close(reason);
    },
  };
}

function give(wire: WireChannelFrame, listener: FrameListener): void {
  let frame: MediaFrame;
  try {
    frame = fromWire(wire);
  } catch (error) {
    if (!(error instanceof MediaProtocolError)) throw error;
    listener.onGarbled(error.message);
    return;
  }
  listener.onFrame(frame);
}
