import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type EmulatedLink, EmulatedLinkError } from './emulated-link.js';
import {
  LinkControlError,
  type LinkControlErrorCode,
  type LinkReport,
  parseCutRequest,
  parseShapeRequest,
} from './link-control.js';

/** The longest trace in use has some 5 KB; a day at one row a second would have 1.5 MB. */
const BODY_BYTES_MAX = 2 * 1024 * 1024;

const statusOf: Readonly<Record<LinkControlErrorCode, number>> = {
  UNAUTHORIZED: 401,
  UNKNOWN_LINK: 404,
  UNKNOWN_PATH: 404,
  INVALID_REQUEST: 400,
  LINK_FAULT: 500,
  CONTROL_UNREACHABLE: 502,
};

export interface LinkControlOptions {
  /** By site id. Links may be added and taken away while the server runs. */
  readonly links: ReadonlyMap<string, EmulatedLink>;
  /** Asked for as a bearer token with every request. */
  readonly token: string;
  /** 0 lets the system choose. Loopback only. */
  readonly port: number;
}

/** `GET /links`, `POST /links/{site id or name}/cut|restore|shape`: JSON, and `{"error":{"code","message"}}`. */
export class LinkControlServer implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(options: LinkControlOptions): Promise<LinkControlServer> {
    const server = createServer((request, response) => void answer(options, request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', cause => {
        const message = `cannot listen on 127.0.0.1:${options.port}: ${cause.message}`;
        reject(new EmulatedLinkError('LINK_PORT_UNAVAILABLE', message, { cause }));
      });
      server.listen(options.port, '127.0.0.1', resolve);
    });
    return new LinkControlServer(server);
  }

  get url(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise<void>(resolve => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await ended;
  }
}

async function answer(
  options: LinkControlOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    send(response, 200, await perform(options, request));
  } catch (error) {
    const refused =
      error instanceof LinkControlError
        ? error
        : new LinkControlError('LINK_FAULT', error instanceof Error ? error.message : String(error));
    send(response, statusOf[refused.code], { error: { code: refused.code, message: refused.message } });
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    // Of a request that was refused early the body is not read; the connection cannot be used again.
    ...(status === 200 ? {} : { Connection: 'close' }),
  });
  response.end(text);
}

async function perform(options: LinkControlOptions, request: IncomingMessage): Promise<unknown> {
  const offered = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  if (!isSameSecret(offered, options.token))
    throw new LinkControlError(
      'UNAUTHORIZED',
      'expected Authorization: Bearer with the token of the link control',
    );
  const [, collection, site, action, ...rest] = (request.url ?? '').split('?')[0]!.split('/');
  const path = `${request.method} ${request.url}`;
  const unknown = new LinkControlError(
    'UNKNOWN_PATH',
    `${path}: expected GET /links or POST /links/{site}/cut|restore|shape`,
  );
  if (collection !== 'links' || rest.length > 0) throw unknown;
  if (request.method === 'GET' && site === undefined)
    return [...options.links].map(([siteId, link]) => reportOf(siteId, link));
  if (request.method !== 'POST' || site === undefined) throw unknown;
  const [siteId, link] = findLink(options.links, site);
  const body = await readJson(request);
  if (action === 'cut') await link.cut(parseCutRequest(body));
  else if (action === 'restore') await link.restore();
  else if (action === 'shape') link.shape(parseShapeRequest(body));
  else throw unknown;
  return reportOf(siteId, link);
}

function findLink(links: LinkControlOptions['links'], escaped: string): [string, EmulatedLink] {
  const wanted = decodeURIComponentOr(escaped).toLowerCase();
  const found = [...links].filter(
    ([siteId, link]) => siteId.toLowerCase() === wanted || link.name?.toLowerCase() === wanted,
  );
  if (found.length === 1) return found[0]!;
  const known = [...links]
    .map(([siteId, link]) => (link.name ? `${siteId} (${link.name})` : siteId))
    .join(', ');
  const why = found.length === 0 ? `no link of site ${wanted}` : `several sites are called ${wanted}`;
  throw new LinkControlError('UNKNOWN_LINK', `${why}; there are: ${known || 'none'}`);
}

function decodeURIComponentOr(escaped: string): string {
  try {
    return decodeURIComponent(escaped);
  } catch {
    return escaped;
  }
}

/** The parsed body, null when there is none. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let byteLength = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    byteLength += chunk.length;
    if (byteLength > BODY_BYTES_MAX)
      throw new LinkControlError('INVALID_REQUEST', `a body of at most ${BODY_BYTES_MAX} bytes was expected`);
    chunks.push(chunk);
  }
  if (byteLength === 0) return null;
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new LinkControlError('INVALID_REQUEST', 'the body is not JSON');
  }
  if (body !== null && typeof body !== 'object')
    throw new LinkControlError('INVALID_REQUEST', 'the body must be a JSON object or null');
  return body;
}

function isSameSecret(offered: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(offered), digest(expected));
}

function reportOf(siteId: string, link: EmulatedLink): LinkReport {
  const { shape, ...state } = link.state;
  return { siteId, name: link.name, ...state, shape: describeShape(shape) };
}

function describeShape(shape: EmulatedLink['state']['shape']): LinkReport['shape'] {
  if (shape === null) return { kind: 'UNLIMITED' };
  return 'trace' in shape
    ? { kind: 'TRACE', durationMs: shape.trace.durationMs, delayMs: shape.delayMs }
    : { kind: 'CONSTANT', ...shape };
}
