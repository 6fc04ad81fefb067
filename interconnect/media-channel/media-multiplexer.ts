import {
  type CameraControl,
  type CameraControlOptions,
  CameraRefusedError,
  encodeManifest,
  type MediaItem,
  type MediaPriority,
  MediaRefusedError,
  type MediaRequest,
  type MediaSource,
  type Speech,
} from '@holdfast/core';
import type { CameraAnswer, CameraRequest, DeviceId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { ControlExchange } from './control-exchange.js';
import type { FrameStream } from './frame-stream.js';
import {
  type CloseCode,
  type CloseFrame,
  type HelloFrame,
  type ItemHead,
  MEDIA_PROTOCOL_VERSION,
  type MediaFrame,
  MediaProtocolError,
  type OpenFrame,
  type PieceFrame,
  pieceCost,
} from './media-frame.js';
import { CREDIT_BYTES, errorOfClose, ReceivingChannel } from './receiving-channel.js';
import { SendScheduler } from './send-scheduler.js';

/**
 * Often enough that a dead link is noticed while an operator looks. It must not be left to TCP: Node 24 stops reading an HTTP/2
 * connection while a write is in progress, and a reset that arrives just then is reported to nobody.
 */
const HEARTBEAT_MS = 2_000;
/** Far longer than the queue of a full link, which `SendWindow` keeps below a second. */
const SILENCE_MS_MAX = 7_000;
/** Each holds a file or a place in a live fan-out: 64 cameras live, and as many transfers. */
const PEER_CHANNELS_MAX = 128;

export type SessionEnd =
  | { readonly cause: 'CLOSED' }
  | { readonly cause: 'STREAM_LOST' | 'SILENT' | 'PROTOCOL' | 'PEER_REFUSED'; readonly detail: string };

export interface MediaSessionOptions {
  readonly stream: FrameStream;
  readonly role: 'DIALLED' | 'ANSWERED';
  readonly hello: Omit<HelloFrame, 'kind' | 'protocolVersion' | 'takesControl'>;
  /** Why this peer is not let in; null lets it in. */
  readonly refusePeer: (peer: HelloFrame) => string | null;
  /** What the peer may ask for. Null: nothing. */
  readonly source: MediaSource | null;
  /** Whom the peer may have cameras told something by. Left out: nobody. */
  readonly control?: CameraControl | undefined;
  readonly monotonicMs: () => number;
  readonly logger: Logger;
}

/**
 * One stream between two recording servers, carrying many channels. After both have said Hello the two sides are the
 * same: either may open channels to the other.
 */
export class MediaMultiplexer {
  /** Resolves with the peer's Hello, or with null when the session ended before. */
  readonly ready: Promise<HelloFrame | null>;
  readonly ended: Promise<SessionEnd>;
  readonly #options: MediaSessionOptions;
  readonly #scheduler: SendScheduler;
  readonly #receiving = new Map<number, ReceivingChannel>();
  readonly #serving = new Map<number, AbortController>();
  readonly #controls: ControlExchange;
  readonly #heartbeat: NodeJS.Timeout;
  #settleReady!: (peer: HelloFrame | null) => void;
  #settleEnded!: (end: SessionEnd) => void;
  #peer: HelloFrame | null = null;
  #isOver = false;
  #nextChannel: number;
  #lastPeerChannel = 0;
  #heardAtMs: number;
  #receivedToReport = 0;

  constructor(options: MediaSessionOptions) {
    this.#options = options;
    this.ready = new Promise(resolve => {
      this.#settleReady = resolve;
    });
    this.ended = new Promise(resolve => {
      this.#settleEnded = resolve;
    });
    this.#nextChannel = options.role === 'DIALLED' ? 2 : 1;
    this.#heardAtMs = options.monotonicMs();
    const write = (frame: MediaFrame) => options.stream.write(frame);
    this.#scheduler = new SendScheduler({ write, monotonicMs: options.monotonicMs });
    this.#controls = new ControlExchange({
      write: frame => this.#write(frame),
      control: options.control ?? null,
    });
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    options.stream.listen({
      onFrame: frame => this.#take(frame),
      onDrain: () => this.#scheduler.onDrain(),
      onLost: detail => this.#end({ cause: 'STREAM_LOST', detail }),
      onGarbled: detail => this.#end({ cause: 'PROTOCOL', detail }),
    });
    if (options.role === 'DIALLED') this.#sayHello();
  }

  /** Asks the peer for media. Nothing is sent before the first item is asked for. */
  open(
    request: MediaRequest,
    options: { readonly signal: AbortSignal; readonly priority: MediaPriority },
  ): AsyncIterable<MediaItem> {
    return { [Symbol.asyncIterator]: () => this.#openChannel(request, options) };
  }

  /** Has the peer tell one of its cameras something. Throws `CameraRefusedError`. */
  async control(
    deviceId: DeviceId,
    request: CameraRequest,
    options: CameraControlOptions,
  ): Promise<CameraAnswer> {
    this.#requireControl();
    return this.#controls.ask(deviceId, request, options);
  }

  /** Somebody speaks through one of the peer's cameras. Throws `CameraRefusedError`. */
  async speak(deviceId: DeviceId, options: CameraControlOptions): Promise<Speech> {
    this.#requireControl();
    return this.#controls.speak(deviceId, options);
  }

  close(): void {
    this.#end({ cause: 'CLOSED' });
  }

  #requireControl(): void {
    if (this.#isOver || this.#peer === null) {
      throw new CameraRefusedError('NOT_CONNECTED', 'the media channel is not connected');
    }
    if (this.#peer.takesControl) return;
    const words = `the software there (${this.#peer.software}) is older and takes no requests to cameras`;
    throw new CameraRefusedError('CAMERA_CANNOT', words);
  }

  #openChannel(
    request: MediaRequest,
    { signal, priority }: { readonly signal: AbortSignal; readonly priority: MediaPriority },
  ): ReceivingChannel {
    const channel = this.#nextChannel;
    this.#nextChannel += 2;
    const onAbort = () => receiving.cancel();
    const receiving = new ReceivingChannel({
      kind: request.kind,
      sendCredit: byteCount => this.#write({ kind: 'credit', channel, byteCount }),
      onReleased: because => {
        signal.removeEventListener('abort', onAbort);
        this.#receiving.delete(channel);
        if (because === 'CANCELLED') this.#writeClose(channel, 'CANCELLED', '');
      },
    });
    if (signal.aborted) {
      receiving.finish(null);
    } else if (this.#isOver || this.#peer === null) {
      receiving.finish(lostError('the media channel is not connected'));
    } else {
      this.#receiving.set(channel, receiving);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#write({ kind: 'open', channel, request, priority, creditBytes: CREDIT_BYTES[request.kind] });
    }
    return receiving;
  }

  #take(frame: MediaFrame): void {
    if (this.#isOver) return;
    this.#heardAtMs = this.#options.monotonicMs();
    try {
      if (frame.kind === 'hello') this.#meet(frame);
      else if (this.#peer === null) throw new MediaProtocolError(`${frame.kind} before hello`);
      else this.#takeFromPeer(frame);
    } catch (error) {
      if (!(error instanceof MediaProtocolError)) throw error;
      this.#end({ cause: 'PROTOCOL', detail: error.message });
    }
  }

  #takeFromPeer(frame: Exclude<MediaFrame, HelloFrame>): void {
    switch (frame.kind) {
      case 'piece':
        this.#takePiece(frame);
        break;
      case 'received':
        if (this.#scheduler.onReceived(frame.byteCount)) break;
        throw new MediaProtocolError(`received: ${frame.byteCount} bytes are more than were under way`);
      case 'credit':
        this.#scheduler.onCredit(frame.channel, frame.byteCount);
        break;
      case 'open':
        this.#takeOpen(frame);
        break;
      case 'close':
        this.#takeClose(frame);
        break;
      case 'control':
      case 'controlAnswer':
      case 'sound':
      case 'soundEnd':
        this.#controls.take(frame);
        break;
      case 'heartbeat':
        break;
    }
  }

  #meet(peer: HelloFrame): void {
    if (this.#peer !== null) throw new MediaProtocolError('hello: said twice');
    const refusal =
      peer.protocolVersion === MEDIA_PROTOCOL_VERSION
        ? this.#options.refusePeer(peer)
        : `protocol version ${peer.protocolVersion}, this side speaks ${MEDIA_PROTOCOL_VERSION}`;
    if (refusal !== null) {
      this.#end({ cause: 'PEER_REFUSED', detail: refusal });
      return;
    }
    this.#peer = peer;
    if (this.#options.role === 'ANSWERED') this.#sayHello();
    this.#settleReady(peer);
  }

  #takePiece(piece: PieceFrame): void {
    if (this.#receivedToReport === 0) setImmediate(() => this.#reportReceived());
    this.#receivedToReport += pieceCost(piece.data);
    // Pieces of a channel that was just cancelled here are still under way quite regularly.
    const receiving = this.#receiving.get(piece.channel);
    if (receiving === undefined) return;
    try {
      receiving.onPiece(piece);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      receiving.finish(error);
      this.#writeClose(piece.channel, 'FAULT', error.message);
    }
  }

  #takeOpen(open: OpenFrame): void {
    const isOwnNumber = open.channel % 2 === (this.#options.role === 'DIALLED' ? 0 : 1);
    if (isOwnNumber || open.channel <= this.#lastPeerChannel) {
      throw new MediaProtocolError(`open: channel ${open.channel} is not the peer's to open`);
    }
    this.#lastPeerChannel = open.channel;
    const { source } = this.#options;
    if (source === null) {
      this.#writeClose(open.channel, 'NOT_ALLOWED', 'no media can be asked for on this side');
      return;
    }
    if (this.#serving.size >= PEER_CHANNELS_MAX) {
      const detail = `${PEER_CHANNELS_MAX} channels are open, which is the most`;
      this.#writeClose(open.channel, 'SOURCE_BUSY', detail);
      return;
    }
    const stop = new AbortController();
    this.#serving.set(open.channel, stop);
    this.#scheduler.openLane(open.channel, open.priority, open.creditBytes);
    void this.#serve(open, source, stop);
  }

  async #serve(open: OpenFrame, source: MediaSource, stop: AbortController): Promise<void> {
    const { channel, request, priority } = open;
    let end: { readonly code: CloseCode; readonly detail: string } = { code: 'DONE', detail: '' };
    try {
      for await (const item of source.open(request, { signal: stop.signal, priority })) {
        const { head, data } = headAndData(item);
        if ((await this.#scheduler.send(channel, head, data)) === 'CLOSED') break;
      }
    } catch (error) {
      end = closeOfError(error);
      if (end.code === 'FAULT' && !stop.signal.aborted) {
        this.#options.logger.error({ err: error, channel, request }, 'media source failed');
      }
    }
    this.#scheduler.closeLane(channel);
    this.#serving.delete(channel);
    // The peer closed it, or the session is over: it needs no answer.
    if (stop.signal.aborted) return;
    this.#writeClose(channel, end.code, end.detail);
  }

  #takeClose({ channel, code, detail }: CloseFrame): void {
    const stop = this.#serving.get(channel);
    if (stop !== undefined) {
      this.#serving.delete(channel);
      stop.abort();
      this.#scheduler.closeLane(channel);
      return;
    }
    this.#receiving.get(channel)?.finish(errorOfClose(code, detail));
  }

  #reportReceived(): void {
    const byteCount = this.#receivedToReport;
    this.#receivedToReport = 0;
    this.#write({ kind: 'received', byteCount });
  }

  #beat(): void {
    const silentMs = this.#options.monotonicMs() - this.#heardAtMs;
    if (silentMs > SILENCE_MS_MAX) {
      this.#end({ cause: 'SILENT', detail: `nothing was heard for ${Math.round(silentMs)} ms` });
    } else if (this.#peer !== null) {
      this.#write({ kind: 'heartbeat' });
    }
  }

  #sayHello(): void {
    const { hello, control } = this.#options;
    const takesControl = control !== undefined;
    this.#write({ kind: 'hello', protocolVersion: MEDIA_PROTOCOL_VERSION, ...hello, takesControl });
  }

  #writeClose(channel: number, code: CloseCode, detail: string): void {
    this.#write({ kind: 'close', channel, code, detail });
  }

  /** Control frames are small and few, so they go ahead of pieces, whatever the stream says of being full. */
  #write(frame: MediaFrame): void {
    if (!this.#isOver) this.#options.stream.write(frame);
  }

  #end(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#heartbeat);
    for (const stop of this.#serving.values()) stop.abort();
    this.#scheduler.closeAll();
    const detail = end.cause === 'CLOSED' ? 'the media channel was closed' : end.detail;
    this.#controls.end(detail);
    for (const receiving of [...this.#receiving.values()]) receiving.finish(lostError(detail));
    this.#options.stream.close(end.cause === 'CLOSED' ? null : detail);
    this.#settleReady(null);
    this.#settleEnded(end);
  }
}

function lostError(detail: string): MediaRefusedError {
  return new MediaRefusedError('NOT_CONNECTED', detail);
}

function closeOfError(error: unknown): { readonly code: CloseCode; readonly detail: string } {
  if (error instanceof MediaRefusedError) return { code: error.code, detail: error.message };
  return { code: 'FAULT', detail: error instanceof Error ? error.message : String(error) };
}

const noBytes = new Uint8Array(0);

function headAndData(item: MediaItem): { readonly head: ItemHead; readonly data: Uint8Array } {
  switch (item.kind) {
    case 'init':
      return { head: { kind: 'init', codecs: item.init.codecs }, data: item.init.bytes };
    case 'fragment': {
      const { fromMs, toMs, arrivalMs, beginsWithKeyFrame, timeSource, bytes } = item.fragment;
      const reducedBecause = item.reducedBecause ?? null;
      const facts = { fromMs, toMs, arrivalMs, beginsWithKeyFrame, timeSource, reducedBecause };
      return { head: { kind: 'fragment', ...facts }, data: bytes };
    }
    case 'manifest':
      return { head: { kind: 'manifest' }, data: encodeManifest(item.manifest) };
    case 'missing':
      return { head: item, data: noBytes };
  }
}
