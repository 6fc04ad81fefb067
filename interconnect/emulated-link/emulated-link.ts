import { readFile, rename, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { LinkDirection } from './link-direction.js';
import { LinkLane } from './link-lane.js';
import type { LinkTrace } from './link-trace.js';

/** A site has one replication stream and some media channels; more is a mistake or an attack. */
const CONNECTION_COUNT_MAX = 256;

/**
 * How connections that exist experience a cut. `RESET`: both ends are told at once. `FREEZE`: nothing passes and
 * nobody is told, as when a cable is pulled; what was under way goes on when the link is back. `HALF_OPEN`: the parent's
 * end is reset, the site's end is told nothing until it sends something after the link is back, as when a NAT forgets.
 */
export type LinkCutMode = 'RESET' | 'FREEZE' | 'HALF_OPEN';
export const linkCutModes: readonly LinkCutMode[] = ['RESET', 'FREEZE', 'HALF_OPEN'];

/** The same in each direction. `delayMs` is one way. */
export type LinkShape =
  | { readonly bandwidthBitsPerSecond: number; readonly delayMs: number }
  | { readonly trace: LinkTrace; readonly delayMs: number }
  /** As fast as the machine. */
  | null;

export interface EmulatedLinkState {
  /** Down: cut, or in a gap of its trace. */
  readonly state: 'UP' | 'DOWN';
  readonly cut: LinkCutMode | null;
  readonly shape: LinkShape;
  readonly connectionCount: number;
  readonly bytesToParent: number;
  readonly bytesToSite: number;
}

export interface EmulatedLinkOptions {
  /** Where the site dials; 0 lets the system choose. Loopback only. */
  readonly listenPort: number;
  /** The parent. */
  readonly target: { readonly host: string; readonly port: number };
  /** Milliseconds of a clock that does not step. */
  readonly now: () => number;
  /** What people call the site; the control server accepts it beside the id. */
  readonly name?: string;
  /** Remembers over a restart whether the link is cut. */
  readonly stateFile?: string;
}

export class EmulatedLinkError extends Error {
  override readonly name = 'EmulatedLinkError';
  readonly code: 'LINK_PORT_UNAVAILABLE' | 'LINK_STATE_UNREADABLE';

  constructor(code: EmulatedLinkError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface LinkConnection {
  readonly site: Socket;
  readonly parent: Socket;
  readonly toParent: LinkLane;
  readonly toSite: LinkLane;
}

/**
 * The link between a site and its parent as a TCP relay that can be cut, restored and shaped. The bandwidth of a
 * direction is shared in turns by all connections. A receiver that does not read holds up its own connection only, and at most some 4 MiB.
 */
export class EmulatedLink implements AsyncDisposable {
  readonly name: string | null;
  readonly #options: EmulatedLinkOptions;
  readonly #server: Server;
  readonly #toParent: LinkDirection;
  readonly #toSite: LinkDirection;
  readonly #connections = new Set<LinkConnection>();
  #cut: LinkCutMode | null = null;
  #shape: LinkShape = null;

  private constructor(options: EmulatedLinkOptions) {
    this.#options = options;
    this.name = options.name ?? null;
    this.#toParent = new LinkDirection(options.now);
    this.#toSite = new LinkDirection(options.now);
    this.#server = createServer({ allowHalfOpen: true }, socket => this.#accept(socket));
  }

  static async open(options: EmulatedLinkOptions): Promise<EmulatedLink> {
    const link = new EmulatedLink(options);
    const cut = options.stateFile === undefined ? null : await readCut(options.stateFile);
    link.#apply(cut);
    await new Promise<void>((resolve, reject) => {
      link.#server.once('error', cause => {
        const where = `127.0.0.1:${options.listenPort}`;
        const message = `cannot listen on ${where}: ${cause.message}`;
        reject(new EmulatedLinkError('LINK_PORT_UNAVAILABLE', message, { cause }));
      });
      link.#server.listen(options.listenPort, '127.0.0.1', resolve);
    });
    return link;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  get state(): EmulatedLinkState {
    return {
      state: this.#isUp() ? 'UP' : 'DOWN',
      cut: this.#cut,
      shape: this.#shape,
      connectionCount: this.#connections.size,
      bytesToParent: this.#toParent.carriedBytes,
      bytesToSite: this.#toSite.carriedBytes,
    };
  }

  /** Bytes read from one end and not yet taken by the other. */
  get heldBytes(): number {
    return this.#toParent.heldBytes + this.#toSite.heldBytes;
  }

  /** Resolves when the cut is in force and, with a state file, remembered. New connections are reset at once. */
  async cut(mode: LinkCutMode = 'RESET'): Promise<void> {
    this.#apply(mode);
    await this.#remember();
  }

  async restore(): Promise<void> {
    this.#apply(null);
    await this.#remember();
  }

  /** A trace begins to be played now. */
  shape(shape: LinkShape): void {
    this.#shape = shape;
    const startedMs = this.#options.now();
    for (const direction of [this.#toParent, this.#toSite]) {
      if (shape === null) direction.shape({ kind: 'UNLIMITED' }, 0);
      else if ('trace' in shape)
        direction.shape({ kind: 'TRACE', trace: shape.trace, startedMs }, shape.delayMs);
      else direction.shape({ kind: 'CONSTANT', bitsPerSecond: shape.bandwidthBitsPerSecond }, shape.delayMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise<void>(resolve => this.#server.close(() => resolve()));
    this.#toParent.close();
    this.#toSite.close();
    for (const { site, parent } of this.#connections) {
      site.destroy();
      parent.destroy();
    }
    await ended;
  }

  #isUp(): boolean {
    return this.#cut === null && this.#toParent.hasCapacity;
  }

  #apply(cut: LinkCutMode | null): void {
    this.#cut = cut;
    for (const { site, parent, toSite, toParent } of [...this.#connections]) {
      if (cut === 'RESET') {
        toParent.forget();
        toSite.forget();
        site.resetAndDestroy();
        parent.resetAndDestroy();
      } else if (cut === 'HALF_OPEN') {
        toSite.forget();
        parent.resetAndDestroy();
      }
    }
    this.#toParent.setUp(cut === null);
    this.#toSite.setUp(cut === null);
  }

  #accept(site: Socket): void {
    site.on('error', () => {});
    if (!this.#isUp() || this.#connections.size >= CONNECTION_COUNT_MAX) {
      site.resetAndDestroy();
      return;
    }
    const parent = connect({ ...this.#options.target, allowHalfOpen: true });
    site.setNoDelay(true);
    parent.setNoDelay(true);
    const toParent = new LinkLane({ sender: site, receiver: parent, direction: this.#toParent });
    const toSite = new LinkLane({ sender: parent, receiver: site, direction: this.#toSite });
    this.#toParent.join(toParent);
    this.#toSite.join(toSite);
    const connection: LinkConnection = { site, parent, toParent, toSite };
    this.#connections.add(connection);
    const closed = (): void => {
      if (!site.destroyed || !parent.destroyed) return;
      toParent.forget();
      toSite.forget();
      this.#connections.delete(connection);
    };
    site.on('close', closed);
    parent.on('close', closed);
  }

  async #remember(): Promise<void> {
    const { stateFile } = this.#options;
    if (stateFile === undefined) return;
    await writeFile(`${stateFile}.new`, `${JSON.stringify({ cut: this.#cut })}\n`);
    await rename(`${stateFile}.new`, stateFile);
  }
}

async function readCut(stateFile: string): Promise<LinkCutMode | null> {
  let text: string;
  try {
    text = await readFile(stateFile, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new EmulatedLinkError('LINK_STATE_UNREADABLE', `cannot read ${stateFile}`, { cause });
  }
  const cut: unknown = parseJson(text)?.cut;
  if (cut === null) return null;
  const mode = linkCutModes.find(known => known === cut);
  if (mode !== undefined) return mode;
  const wanted = `{"cut":null} or one of ${linkCutModes.join(', ')}`;
  throw new EmulatedLinkError('LINK_STATE_UNREADABLE', `${stateFile}: expected ${wanted}`);
}

function parseJson(text: string): { readonly cut?: unknown } | null {
  try {
    return JSON.parse(text) as { readonly cut?: unknown } | null;
  } catch {
    return null;
  }
}
