import { connect, type Socket } from 'node:net';

export interface RtspReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface ReceivedFrame {
  readonly channel: number;
  readonly payload: Buffer;
}

/** The plainest RTSP client: for tests of the server, which must see every byte that it sends. */
export class RtspTestClient implements Disposable {
  readonly socket: Socket;
  readonly frames: ReceivedFrame[] = [];
  ended = false;
  #buffer = Buffer.alloc(0);
  #sequence = 0;
  readonly #replies: ((reply: RtspReply) => void)[] = [];
  readonly #watchers = new Set<() => void>();

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', chunk => this.#receive(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
      for (const watch of [...this.#watchers]) watch();
    });
  }

  static async open(port: number): Promise<RtspTestClient> {
    const socket = connect(port, '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RtspTestClient(socket);
  }

  request(method: string, uri: string, headers: Readonly<Record<string, string>> = {}): Promise<RtspReply> {
    this.#sequence += 1;
    const lines = Object.entries({ CSeq: String(this.#sequence), ...headers }).map(([k, v]) => `${k}: ${v}`);
    this.socket.write(`${method} ${uri} RTSP/1.0\r\n${lines.join('\r\n')}\r\n\r\n`);
    return new Promise(resolve => this.#replies.push(resolve));
  }

  /** DESCRIBE, SETUP of each track, PLAY. Returns the session's id. */
  async play(uri: string, trackCount: number): Promise<string> {
    await this.request('DESCRIBE', uri);
    let session = '';
    for (let track = 0; track < trackCount; track += 1) {
      const Transport = `RTP/AVP/TCP;unicast;interleaved=${track * 2}-${track * 2 + 1}`;
      const named = session === '' ? {} : { Session: session };
      const reply = await this.request('SETUP', `${uri}/trackID=${track}`, { Transport, ...named });
      session = reply.headers.get('session')?.split(';')[0] ?? '';
    }
    await this.request('PLAY', uri, { Session: session });
    return session;
  }

  /** Resolves when the condition holds; it is looked at after every arrival and at the end of the connection. */
  until(condition: () => boolean): Promise<void> {
    return new Promise(resolve => {
      const watch = (): void => {
        if (!condition()) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  onChannel(channel: number): Buffer[] {
    return this.frames.filter(frame => frame.channel === channel).map(frame => frame.payload);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#takeFrame() || this.#takeReply());
    for (const watch of [...this.#watchers]) watch();
  }

  #takeFrame(): boolean {
    const buffer = this.#buffer;
    if (buffer[0] !== 0x24 || buffer.length < 4 || buffer.length < 4 + buffer.readUInt16BE(2)) return false;
    const end = 4 + buffer.readUInt16BE(2);
    this.frames.push({ channel: buffer[1]!, payload: buffer.subarray(4, end) });
    this.#buffer = buffer.subarray(end);
    return true;
  }

  #takeReply(): boolean {
    const headerEnd = this.#buffer.indexOf('\r\n\r\n');
    if (this.#buffer[0] === 0x24 || headerEnd < 0) return false;
    const [first = '', ...lines] = this.#buffer.toString('latin1', 0, headerEnd).split('\r\n');
    const headers = new Map(
      lines.map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    );
    const end = headerEnd + 4 + Number(headers.get('content-length') ?? 0);
    if (this.#buffer.length < end) return false;
    const body = this.#buffer.toString('utf8', headerEnd + 4, end);
    this.#buffer = this.#buffer.subarray(end);
    this.#replies.shift()?.({ status: Number(first.split(' ')[1]), headers, body });
    return true;
  }
}
