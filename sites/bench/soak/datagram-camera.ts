import dgram from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { firstHeader, type RtspRequest } from '@holdfast/core';
import {
  type Answer,
  type CameraSender,
  MisbehavingCamera,
} from '../../recording-server/drivers/rtsp/misbehaving-camera.fixture.js';
import { packetizeH264, type RtpPayload } from '../../rtsp-server/rtp-packetizer.js';
import type { FailingCamera } from './failing-camera.js';
import { packetizeH265 } from './h265-clip.js';

const CLOCK_HZ = 90_000;
const TIMESTAMPS = 2 ** 32;
/** The timestamps wrap so long after each connection was made. */
const WRAPS_AFTER_S = 30;
const REPORT_EVERY_S = 5;

export type Codec = 'H264' | 'H265';

const packetize: Readonly<Record<Codec, (units: readonly Uint8Array[]) => readonly RtpPayload[]>> = {
  H264: packetizeH264,
  H265: packetizeH265,
};

/** A camera that sends its pictures in datagrams, of which some are lost, and that may come back with another codec. */
export class DatagramCamera {
  readonly #cameras: Readonly<Record<Codec, FailingCamera>>;
  readonly #isLost: () => boolean;
  readonly #rtp = dgram.createSocket('udp4');
  readonly #rtcp = dgram.createSocket('udp4');
  #server: MisbehavingCamera | null = null;
  #port = 0;
  #clientPort = 0;
  #codec: Codec = 'H265';

  private constructor(cameras: Readonly<Record<Codec, FailingCamera>>, isLost: () => boolean) {
    this.#cameras = cameras;
    this.#isLost = isLost;
  }

  static async open(options: {
    readonly cameras: Readonly<Record<Codec, FailingCamera>>;
    readonly isLost: () => boolean;
  }): Promise<DatagramCamera> {
    const camera = new DatagramCamera(options.cameras, options.isLost);
    for (const socket of [camera.#rtp, camera.#rtcp]) {
      socket.bind(0, '127.0.0.1');
      await once(socket, 'listening');
    }
    await camera.#listen();
    return camera;
  }

  get address(): string {
    return `rtsp://127.0.0.1:${this.#port}/live`;
  }

  /** What it sends now. */
  get current(): FailingCamera {
    return this.#cameras[this.#codec];
  }

  /** Away for so long, and then back with the other codec. */
  async changeCodec(awayMs: number): Promise<void> {
    if (this.#server === null) return;
    const server = this.#server;
    this.#server = null;
    await server[Symbol.asyncDispose]();
    this.#codec = this.#codec === 'H265' ? 'H264' : 'H265';
    setTimeout(() => void this.#listen(), awayMs);
  }

  async #listen(): Promise<void> {
    this.#server = await MisbehavingCamera.open({
      port: this.#port,
      sdp: () =>
        `v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 ${this.#codec}/${CLOCK_HZ}\r\na=control:track1\r\n`,
      answer: request => (request.method === 'SETUP' ? this.#setUp(request) : null),
      stream: sender => this.#stream(sender),
    });
    this.#port = this.#server.port;
  }

  #setUp(request: RtspRequest): Answer {
    const transport = firstHeader(request.headers, 'transport') ?? '';
    const ports = /client_port=(\d+)-\d+/.exec(transport);
    if (ports === null) return { status: 461, reason: 'Unsupported Transport' };
    this.#clientPort = Number(ports[1]);
    const portOf = (socket: dgram.Socket) => (socket.address() as AddressInfo).port;
    const agreed = `${transport};server_port=${portOf(this.#rtp)}-${portOf(this.#rtcp)}`;
    return {
      status: 200,
      headers: [
        ['Transport', agreed],
        ['Session', '1;timeout=60'],
      ],
    };
  }

  async #stream(sender: CameraSender): Promise<void> {
    const clientPort = this.#clientPort;
    sender.transmit = (channel, bytes) => {
      if (channel === 0 && this.#isLost()) return;
      const socket = channel === 0 ? this.#rtp : this.#rtcp;
      socket.send(bytes, clientPort + channel, '127.0.0.1');
    };
    let base: number | null = null;
    let reportTicks = 0;
    const payloadsOf = packetize[this.#codec];
    const unsubscribe = this.current.subscribe(units => {
      if (sender.closed) {
        unsubscribe();
        return;
      }
      for (const { trackIndex, ticks, units: nalUnits } of units) {
        if (trackIndex !== 0) continue;
        base ??= TIMESTAMPS - (ticks % TIMESTAMPS) - WRAPS_AFTER_S * CLOCK_HZ;
        const timestamp = (ticks + base) % TIMESTAMPS;
        // Also at once when its clock was set.
        if (Math.abs(ticks - reportTicks) >= REPORT_EVERY_S * CLOCK_HZ) {
          reportTicks = ticks;
          sender.report(timestamp);
        }
        for (const { prefix, body, marker } of payloadsOf(nalUnits)) {
          sender.packet(Buffer.concat([prefix, body]), timestamp, marker);
        }
      }
    });
  }
}
