import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import {
  type DatagramTransport,
  parseSenderReport,
  REORDERED_MS_MAX,
  RtpReception,
  RtpReorderBuffer,
} from '@holdfast/core';
import { CameraSessionError } from '../camera-session-error.js';

/** The kernel keeps so much while we are busy: a key frame of a large picture, and what follows it. It may grant less. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;
/** RFC 3550 §6.2: five seconds at least between two reports. It also keeps the way through address translators open. */
const REPORT_EVERY_MS = 5_000;
/** Ports come in pairs, the even one for RTP (RFC 3550 §11); by chance every second pair is free. */
const PAIR_ATTEMPTS_MAX = 20;
/** What a camera behind a translator needs to see once: a packet of RTP without content, version 2. */
const punch = Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

export interface UdpTrackOptions {
  /** Of the camera, as the RTSP connection reached it. */
  readonly remoteAddress: string;
  readonly clockRate: number;
  readonly now: () => number;
  readonly random: () => number;
  /** In order; gaps are what was lost. */
  readonly packet: (bytes: Uint8Array, arrivalMs: number) => void;
  readonly control: (bytes: Uint8Array, arrivalMs: number) => void;
}

/** One track of a camera over UDP: a pair of ports, packets put back into order, and reports of how they arrive. */
export class UdpTrack implements Disposable {
  readonly #options: UdpTrackOptions;
  readonly #rtp: dgram.Socket;
  readonly #rtcp: dgram.Socket;
  readonly #reception: RtpReception;
  readonly #reorder: RtpReorderBuffer;
  readonly #ownSource: number;
  #remote: DatagramTransport = { serverPorts: null, source: null };
  #reportTimer: NodeJS.Timeout | null = null;
  #expiryTimer: NodeJS.Timeout | null = null;

  private constructor(options: UdpTrackOptions, pair: SocketPair) {
    this.#options = options;
    this.#rtp = pair.rtp;
    this.#rtcp = pair.rtcp;
    this.#ownSource = Math.floor(options.random() * 2 ** 32);
    this.#reception = new RtpReception(options.clockRate);
    this.#reorder = new RtpReorderBuffer(options.packet);
    this.#rtp.on('message', (bytes, from) => this.#datagram(bytes, from.address));
    this.#rtcp.on('message', (bytes, from) => this.#control(bytes, from.address));
    // An answer "port unreachable" of the camera says nothing that silence does not.
    for (const socket of [this.#rtp, this.#rtcp]) socket.on('error', () => {});
  }

  /** @throws CameraSessionError */
  static async open(options: UdpTrackOptions): Promise<UdpTrack> {
    const remoteAddress = unmapped(options.remoteAddress);
    return new UdpTrack({ ...options, remoteAddress }, await openPair(net.isIPv6(remoteAddress)));
  }

  /** Of RTP; that of RTCP is the next one. */
  get clientPort(): number {
    return this.#rtp.address().port;
  }

  get lostPacketCount(): number {
    return this.#reception.lostCount;
  }

  /** The camera has agreed. Opens the way for what it will send. */
  start(remote: DatagramTransport): void {
    this.#remote = remote;
    const ports = remote.serverPorts;
    if (ports === null) return;
    this.#send(this.#rtp, punch, ports.rtp);
    this.#report();
    this.#reportTimer = setInterval(() => this.#report(), REPORT_EVERY_MS);
  }

  [Symbol.dispose](): void {
    if (this.#reportTimer !== null) clearInterval(this.#reportTimer);
    if (this.#expiryTimer !== null) clearTimeout(this.#expiryTimer);
    this.#reorder.flush();
    this.#rtp.close();
    this.#rtcp.close();
  }

  #datagram(bytes: Uint8Array, from: string): void {
    if (!this.#isCamera(from)) return;
    const arrivalMs = this.#options.now();
    this.#reception.packet(bytes, arrivalMs);
    this.#reorder.push(bytes, arrivalMs);
    if (this.#reorder.heldCount > 0 && this.#expiryTimer === null) this.#awaitExpiry();
  }

  /** Nothing may follow what is held. */
  #awaitExpiry(): void {
    this.#expiryTimer = setTimeout(() => {
      this.#expiryTimer = null;
      this.#reorder.expire(this.#options.now());
      if (this.#reorder.heldCount > 0) this.#awaitExpiry();
    }, REORDERED_MS_MAX);
  }

  #control(bytes: Uint8Array, from: string): void {
    if (!this.#isCamera(from)) return;
    const arrivalMs = this.#options.now();
    const report = parseSenderReport(bytes, 0, bytes.length);
    if (report !== null) this.#reception.senderReport(report, arrivalMs);
    this.#options.control(bytes, arrivalMs);
  }

  /** Whoever else finds the port must not be recorded. */
  #isCamera(from: string): boolean {
    const address = unmapped(from);
    return address === this.#options.remoteAddress || address === this.#remote.source;
  }

  #report(): void {
    const { serverPorts } = this.#remote;
    if (serverPorts === null) return;
    const nowMs = this.#options.now();
    const report = this.#reception.writeReport({ ownSource: this.#ownSource, name: 'holdfast', nowMs });
    this.#send(this.#rtcp, report, serverPorts.rtcp);
  }

  #send(socket: dgram.Socket, bytes: Uint8Array, port: number): void {
    socket.send(bytes, port, this.#options.remoteAddress, () => {});
  }
}

interface SocketPair {
  readonly rtp: dgram.Socket;
  readonly rtcp: dgram.Socket;
}

async function openPair(v6: boolean): Promise<SocketPair> {
  for (let attempt = 1; attempt <= PAIR_ATTEMPTS_MAX; attempt += 1) {
    const first = await bind(0, v6);
    if (first === null) continue;
    const { port } = first.address();
    const isEven = port % 2 === 0;
    const second = await bind(isEven ? port + 1 : port - 1, v6);
    if (second !== null) return isEven ? { rtp: first, rtcp: second } : { rtp: second, rtcp: first };
    first.close();
  }
  const words = `no free pair of UDP ports after ${PAIR_ATTEMPTS_MAX} attempts`;
  throw new CameraSessionError('CONNECT_FAILED', 'UNREACHABLE', words);
}

/** `null`: the port is taken. */
async function bind(port: number, v6: boolean): Promise<dgram.Socket | null> {
  const socket = dgram.createSocket({ type: v6 ? 'udp6' : 'udp4', recvBufferSize: RECEIVE_BUFFER_BYTES });
  try {
    socket.bind(port);
    await once(socket, 'listening');
    return socket;
  } catch {
    socket.close();
    return null;
  }
}

function unmapped(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}
