import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { firstHeader, formatRtspResponse, type RtspRequest, RtspStreamParser } from '@holdfast/core';

/** H.264 High, 640×360 and 1280×720, and a picture parameter set that fits both; from x264. */
export const sps360 = Buffer.from('6764001eacd940a02ff97011000003000100000300320f162d96', 'hex');
export const sps720 = Buffer.from('6764001facd9405005bb011000000300100000030320f1831960', 'hex');
export const pps = Buffer.from('68ebe3cb22c0', 'hex');

/** A hundred pictures a second, so that the tests are quick and the clocks still agree. */
export const FRAME_MS = 10;
const FRAME_TICKS = FRAME_MS * 90;
const PACKET_BYTES_MAX = 1200;

export interface Answer {
  readonly status: number;
  readonly reason?: string;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: string;
}

export interface MisbehavingCameraOptions {
  /** Left out: any free one. */
  readonly port?: number;
  /** Overrides the answer to a request; `null`: as a good camera answers; `'SILENCE'`: not at all. */
  readonly answer?: (request: RtspRequest, connectionCount: number) => Answer | 'SILENCE' | null;
  readonly sdp?: string | ((connectionCount: number) => string);
  /** What is sent once PLAY was answered. Ends when the connection does. */
  readonly stream: (sender: CameraSender) => Promise<void>;
}

export const goodSdp = [
  'v=0',
  'm=video 0 RTP/AVP 96',
  'a=rtpmap:96 H264/90000',
  `a=fmtp:96 packetization-mode=1;sprop-parameter-sets=${sps360.toString('base64')},${pps.toString('base64')}`,
  'a=control:track1',
  '',
].join('\r\n');

export interface PictureOptions {
  readonly keyFrame: boolean;
  readonly byteLength?: number;
  readonly marker?: boolean;
  /** Sent before the picture, with its timestamp. */
  readonly parameterSets?: readonly Buffer[];
  /** Added to the RTP timestamp. */
  readonly timestampOffset?: number;
  /** Index of the packet of this picture that is left out. */
  readonly dropPacket?: number;
}

/** Writes one camera's RTP into its connection: picture `n` has the timestamp `n` × `FRAME_MS`. */
export class CameraSender {
  readonly connectionCount: number;
  readonly #socket: net.Socket;
  #sequenceNumber = 65_500;
  #pictureCount = 0;

  constructor(socket: net.Socket, connectionCount: number) {
    this.#socket = socket;
    this.connectionCount = connectionCount;
  }

  get closed(): boolean {
    return this.#socket.destroyed || this.#socket.writableEnded;
  }

  report(timestampOffset = 0): void {
    const bytes = Buffer.alloc(28);
    bytes.writeUInt32BE(0x80c80006, 0);
    const nowMs = Date.now();
    bytes.writeUInt32BE(Math.floor(nowMs / 1000) + 2_208_988_800, 8);
    bytes.writeUInt32BE(Math.floor(((nowMs % 1000) / 1000) * 2 ** 32), 12);
    bytes.writeUInt32BE((this.#pictureCount * FRAME_TICKS + timestampOffset) >>> 0, 16);
    this.interleaved(1, bytes);
  }

  picture(options: PictureOptions): void {
    const unit = Buffer.alloc(options.byteLength ?? 3000, this.#pictureCount & 0xff);
    unit[0] = options.keyFrame ? 0x65 : 0x41;
    unit[1] = options.keyFrame ? 0x88 : 0x9a;
    const timestamp = this.#pictureCount * FRAME_TICKS + (options.timestampOffset ?? 0);
    for (const set of options.parameterSets ?? []) this.packet(set, timestamp, false);
    const payloads: Buffer[] = [];
    for (let offset = 1; offset < unit.length; offset += PACKET_BYTES_MAX) {
      const last = offset + PACKET_BYTES_MAX >= unit.length;
      const flags = (offset === 1 ? 0x80 : 0) | (last ? 0x40 : 0);
      const head = Buffer.from([(unit[0] & 0xe0) | 28, flags | (unit[0] & 0x1f)]);
      payloads.push(Buffer.concat([head, unit.subarray(offset, offset + PACKET_BYTES_MAX)]));
    }
    payloads.forEach((payload, index) => {
      if (index === options.dropPacket) this.#sequenceNumber += 1;
      else this.packet(payload, timestamp, (options.marker ?? true) && index === payloads.length - 1);
    });
    this.#pictureCount += 1;
  }

  packet(payload: Buffer, timestamp: number, marker: boolean): void {
    const header = Buffer.alloc(12);
    header[0] = 0x80;
    header[1] = (marker ? 0x80 : 0) | 96;
    header.writeUInt16BE(this.#sequenceNumber & 0xffff, 2);
    header.writeUInt32BE(timestamp >>> 0, 4);
    this.#sequenceNumber += 1;
    this.interleaved(0, Buffer.concat([header, payload]));
  }

  /** Set: what is meant for a channel goes here instead of into the connection. */
  transmit: ((channel: number, bytes: Buffer) => void) | null = null;

  interleaved(channel: number, bytes: Buffer): void {
    if (this.transmit !== null) {
      this.transmit(channel, bytes);
      return;
    }
    this.raw(Buffer.concat([Buffer.from([0x24, channel, bytes.length >> 8, bytes.length & 0xff]), bytes]));
  }

  raw(bytes: Buffer): void {
    if (!this.closed) this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.end();
  }
}

/** Pictures at their pace, a key frame every fifth; `of` says what is special about one, or acts and returns `{}`. */
export async function pictures(
  sender: CameraSender,
  count: number,
  of: (index: number) => Partial<PictureOptions> = () => ({}),
): Promise<void> {
  sender.report();
  const beganAt = performance.now();
  for (let index = 0; index < count && !sender.closed; index += 1) {
    sender.picture({ keyFrame: index % 5 === 0, ...of(index) });
    await wait(Math.max(0, beganAt + (index + 1) * FRAME_MS - performance.now()));
  }
}

export async function forEver(sender: CameraSender): Promise<void> {
  await pictures(sender, Number.POSITIVE_INFINITY);
}

/** An RTSP camera on a real socket that does whatever real cameras have been seen to do wrong. */
export class MisbehavingCamera implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #options: MisbehavingCameraOptions;
  readonly #sockets = new Set<net.Socket>();
  readonly requests: RtspRequest[] = [];
  connectionCount = 0;

  private constructor(options: MisbehavingCameraOptions) {
    this.#options = options;
    this.#server = net.createServer(socket => this.#accept(socket));
  }

  static async open(options: MisbehavingCameraOptions): Promise<MisbehavingCamera> {
    const camera = new MisbehavingCamera(options);
    await new Promise<void>(resolve => camera.#server.listen(options.port ?? 0, '127.0.0.1', resolve));
    return camera;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  get address(): string {
    return `rtsp://127.0.0.1:${this.port}/live`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #accept(socket: net.Socket): void {
    this.connectionCount += 1;
    const connectionCount = this.connectionCount;
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    const sender = new CameraSender(socket, connectionCount);
    const parser = new RtspStreamParser({
      frame: () => {},
      garbage: () => {},
      message: message => {
        if (message.kind === 'request') this.#answer(message, socket, sender);
      },
    });
    socket.on('data', chunk => parser.push(chunk as Uint8Array));
  }

  #answer(request: RtspRequest, socket: net.Socket, sender: CameraSender): void {
    this.requests.push(request);
    const answer =
      this.#options.answer?.(request, sender.connectionCount) ??
      this.#goodAnswer(request, sender.connectionCount);
    if (answer === 'SILENCE') return;
    const body = answer.body ?? '';
    socket.write(
      formatRtspResponse({
        status: answer.status,
        reason: answer.reason ?? '',
        headers: [
          ['CSeq', firstHeader(request.headers, 'cseq') ?? '0'],
          ...(body === '' ? [] : ([['Content-Length', String(Buffer.byteLength(body))]] as const)),
          ...(answer.headers ?? []),
        ],
      }) + body,
    );
    if (request.method === 'PLAY' && answer.status === 200) void this.#options.stream(sender);
  }

  #goodAnswer(request: RtspRequest, connectionCount: number): Answer {
    const { sdp = goodSdp } = this.#options;
    const headers: (readonly [string, string])[] = [];
    if (request.method === 'OPTIONS')
      headers.push(['Public', 'OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER']);
    if (request.method === 'SETUP')
      headers.push(
        ['Transport', firstHeader(request.headers, 'transport') ?? ''],
        ['Session', '4711;timeout=60'],
      );
    return {
      status: 200,
      reason: 'OK',
      headers,
      ...(request.method === 'DESCRIBE'
        ? { body: typeof sdp === 'string' ? sdp : sdp(connectionCount) }
        : {}),
    };
  }
}
