import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';
import type net from 'node:net';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PICTURE_EVERY_MS = 40;

/** Some pictures of a test card, made by ffmpeg. */
export async function makePictures(size = '320x180'): Promise<readonly Buffer[]> {
  const source = ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25`, '-t', '0.4'];
  const output = ['-c:v', 'mjpeg', '-pix_fmt', 'yuvj420p', '-f', 'image2pipe', 'pipe:1'];
  const { stdout } = await run('ffmpeg', ['-v', 'error', ...source, ...output], {
    encoding: 'buffer',
    maxBuffer: 64 * 1024 * 1024,
  });
  const pictures: Buffer[] = [];
  for (let start = 0; start < stdout.length; ) {
    const end = stdout.indexOf(Buffer.from([0xff, 0xd9]), start) + 2;
    pictures.push(stdout.subarray(start, end));
    start = end;
  }
  return pictures;
}

export interface PictureCameraOptions {
  readonly pictures: readonly Buffer[];
  readonly port?: number;
  readonly credentials?: { readonly userName: string; readonly password: string };
  /** One for each request instead of one behind the other. */
  readonly single?: boolean;
  /** Leaves out the lengths of the parts, as some cameras do. */
  readonly withoutLengths?: boolean;
}

/** A camera that sends JPEG over HTTP: scripted, since none is to be had as a package. */
export class PictureCamera implements AsyncDisposable {
  readonly #options: PictureCameraOptions;
  readonly #server: http.Server;
  readonly #nonce = randomBytes(8).toString('hex');
  requestCount = 0;
  port = 0;

  private constructor(options: PictureCameraOptions) {
    this.#options = options;
    this.#server = http.createServer((request, response) => this.#answer(request, response));
  }

  static async open(options: PictureCameraOptions): Promise<PictureCamera> {
    const camera = new PictureCamera(options);
    await new Promise<void>(resolve => camera.#server.listen(options.port ?? 0, '127.0.0.1', resolve));
    camera.port = (camera.#server.address() as net.AddressInfo).port;
    return camera;
  }

  get address(): string {
    return `http://127.0.0.1:${this.port}/video.mjpg?resolution=320x180`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const { pictures, single = false, withoutLengths = false } = this.#options;
    this.requestCount += 1;
    if (!this.#isAllowed(request)) {
      const challenge = `Digest realm="camera", nonce="${this.#nonce}", qop="auth", algorithm=MD5`;
      response.writeHead(401, { 'www-authenticate': challenge }).end('no');
      return;
    }
    if (single) {
      response
        .writeHead(200, { 'content-type': 'image/jpeg' })
        .end(pictures[this.requestCount % pictures.length]);
      return;
    }
    response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=--frame' });
    let index = 0;
    const timer = setInterval(() => {
      const picture = pictures[index % pictures.length]!;
      index += 1;
      const length = withoutLengths ? '' : `Content-Length: ${picture.length}\r\n`;
      response.write(`--frame\r\nContent-Type: image/jpeg\r\n${length}\r\n`);
      response.write(picture);
      response.write('\r\n');
    }, PICTURE_EVERY_MS);
    response.on('close', () => clearInterval(timer));
  }

  /** RFC 7616 with MD5 and `qop=auth`. */
  #isAllowed(request: http.IncomingMessage): boolean {
    const { credentials } = this.#options;
    if (credentials === undefined) return true;
    const given = request.headers.authorization ?? '';
    const field = (name: string) => new RegExp(`\\b${name}="?([^",]+)`).exec(given)?.[1] ?? '';
    const md5 = (text: string) => createHash('md5').update(text).digest('hex');
    const secret = md5(`${credentials.userName}:camera:${credentials.password}`);
    const action = md5(`GET:${request.url}`);
    const expected = md5(`${secret}:${this.#nonce}:${field('nc')}:${field('cnonce')}:auth:${action}`);
    return given.startsWith('Digest ') && field('response') === expected;
  }
}
