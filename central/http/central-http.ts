import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import formbody from '@fastify/formbody';
import { actorOfUser } from '@holdfast/core';
import { DeviceId } from '@holdfast/schema';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Registry } from 'prom-client';
import { createApiContext, type SignedInUser } from '../api/api-context.js';
import type { ApiPorts } from '../api/api-ports.js';
import { createApiSchema } from '../api/api-schema.js';
import { createSubscriptionSources } from '../api/subscription/subscription-sources.js';
import { type AccessTokens, bearerToken } from '../identity/access-tokens.js';
import type { Administrator } from '../identity/administrator.js';
import { registerTokenEndpoint, type TokenEndpointOptions } from '../identity/token-endpoint.js';
import { LiveHub } from '../media-gateway/live-hub.js';
import { LiveSocket } from '../media-gateway/live-socket.js';
import type { MediaDirectory } from '../media-gateway/media-directory.js';
import { registerMediaEndpoints } from '../media-gateway/media-endpoints.js';
import { SpeechSocket } from '../media-gateway/speech-socket.js';
import type { Sql } from '../postgres/sql.js';
import { Freshness } from '../read-models/freshness.js';
import type { Wakeup } from '../read-models/wakeup.js';
import { createCentralMetrics } from './central-metrics.js';
import { registerConsole } from './console-files.js';
import { GRAPHQL_PATH, type GraphqlOptions, registerGraphqlHttp } from './graphql-http.js';
import { createGraphqlSocket } from './graphql-socket.js';
import { addSecurityHeaders } from './security-headers.js';

/** What no other limit applies to. */
const BODY_BYTES_MAX = 64 * 1024;
/** A request that has not arrived by then is broken off. */
const REQUEST_TIMEOUT_MS = 30_000;

export interface CentralHttpOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly sql: Sql;
  /** Fires when the read models have moved on: `listenFor(sql, PROJECTED_CHANNEL)`. */
  readonly projected: Wakeup;
  readonly api: ApiPorts;
  readonly media: MediaDirectory;
  readonly administrator: Administrator;
  readonly tokens: AccessTokens;
  readonly reportSignIn: TokenEndpointOptions['report'];
  /** Null when everything serves, else what is missing, in words. */
  readonly notReadyBecause: () => string | null;
  readonly defineMetrics?: (registry: Registry) => void;
  readonly onFault: (error: unknown) => void;
}

export interface CentralHttp extends AsyncDisposable {
  readonly port: number;
}

/** Console, GraphQL, sign-in, media and operations of a central, on one port. */
export async function createCentralHttp(options: CentralHttpOptions): Promise<CentralHttp> {
  const { sql, projected, api, tokens, onFault } = options;
  const server = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
  });
  const authenticate = async (authorization: unknown): Promise<SignedInUser | null> => {
    const token = bearerToken(typeof authorization === 'string' ? authorization : undefined);
    const name = token === null ? null : await tokens.userOf(token);
    return name === null ? null : { name, administrator: name === options.administrator.name };
  };
  const subscriptions = createSubscriptionSources(sql, projected);
  const freshness = new Freshness({ sql, ownHead: api.ownHead, projected });
  const graphql: GraphqlOptions = {
    schema: createApiSchema({ sql, ports: api, freshness }),
    contextOf: user => createApiContext(sql, subscriptions, user),
    authenticate,
    onFault,
  };
  const hub = new LiveHub();
  addSecurityHeaders(server);
  await server.register(formbody, { bodyLimit: BODY_BYTES_MAX });
  registerTokenEndpoint(server, { ...options, now: api.now, report: options.reportSignIn });
  await registerGraphqlHttp(server, graphql);
  registerMediaEndpoints(server, {
    ...{ directory: options.media, now: api.now, onFault },
    isSignedIn: async request => (await authenticate(request.headers.authorization)) !== null,
  });
  registerOperations(server, options, hub);
  await registerConsole(server);
  answerFaults(server, onFault);
  const graphqlSocket = createGraphqlSocket(graphql);
  const liveSocket = new LiveSocket({ directory: options.media, hub, onFault });
  const speechSocket = new SpeechSocket({ cameras: api.cameras, onFault });
  const actorOf = ({ name }: SignedInUser) => actorOfUser(api.personal, name);
  server.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    // Not through `URL`, which throws: strangers come this far.
    const pathname = request.url?.split('?')[0] ?? '/';
    if (pathname === GRAPHQL_PATH) {
      const { sockets } = graphqlSocket;
      sockets.handleUpgrade(request, socket, head, client => sockets.emit('connection', client, request));
      return;
    }
    upgradeMedia(
      pathname,
      { request, socket, head },
      { authenticate, liveSocket, speechSocket, actorOf },
    ).catch((error: unknown) => {
      onFault(error);
      socket.destroy();
    });
  });
  await server.listen({ host: options.host, port: options.port });
  return {
    port: (server.server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      liveSocket.dispose();
      speechSocket.dispose();
      await graphqlSocket.dispose();
      await hub[Symbol.asyncDispose]();
      await server.close();
    },
  };
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

/** The token comes as a header, or (browsers cannot set one) as a second subprotocol `bearer.<token>`. */
async function upgradeMedia(
  pathname: string,
  { request, socket, head }: Upgrade,
  to: {
    readonly authenticate: (authorization: unknown) => Promise<SignedInUser | null>;
    readonly liveSocket: LiveSocket;
    readonly speechSocket: SpeechSocket;
    /** As it stands in a log. */
    readonly actorOf: (user: SignedInUser) => string;
  },
): Promise<void> {
  const [, device, purpose] = /^\/media\/([^/]+)\/(live|speak)$/.exec(pathname) ?? [];
  const deviceId = DeviceId.safeParse(device?.toLowerCase()).data;
  if (!deviceId) {
    socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    return;
  }
  const offered = request.headers['sec-websocket-protocol']?.split(',').map(word => word.trim()) ?? [];
  const carried = offered.find(word => word.startsWith('bearer.'));
  const authorization = carried ? `Bearer ${carried.slice('bearer.'.length)}` : request.headers.authorization;
  const user = await to.authenticate(authorization);
  if (!user) {
    socket.end(
      'HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\nconnection: close\r\ncontent-length: 0\r\n\r\n',
    );
    return;
  }
  if (purpose === 'speak') {
    to.speechSocket.accept({ deviceId, askedBy: to.actorOf(user) }, request, socket, head);
    return;
  }
  const stream = new URLSearchParams(request.url?.split('?')[1]).get('stream');
  to.liveSocket.accept({ deviceId, ...(stream && { stream }) }, request, socket, head);
}

/** SQLSTATE class 28: user or password are not right (any more). */
function whyNotAnswered(error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return String(code).startsWith('28')
    ? `the database does not let us in: ${message}`
    : 'the database does not answer';
}

function registerOperations(
  server: FastifyInstance,
  { sql, notReadyBecause, defineMetrics }: CentralHttpOptions,
  hub: LiveHub,
): void {
  const metrics = createCentralMetrics({ sql, live: hub.viewers, defineMetrics });
  server.get('/healthz', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const reason =
      notReadyBecause() ??
      (await sql`select 1`.then(() => null).catch((error: unknown) => whyNotAnswered(error)));
    if (reason === null) return { status: 'ready' };
    return reply.code(503).send({ status: 'not ready', reason });
  });
  server.get('/metrics', async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.metrics();
  });
}

/** What the client did wrong it is told; a fault of ours it is not. */
function answerFaults(server: FastifyInstance, onFault: (error: unknown) => void): void {
  server.setErrorHandler((error, _request, reply) => {
    const { statusCode, code, message } = error as {
      statusCode?: number;
      code?: string;
      message: string;
    };
    if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
      return reply.code(statusCode).send({ code: code ?? 'BAD_REQUEST', message });
    }
    onFault(error);
    return reply
      .code(500)
      .send({ code: 'INTERNAL_SERVER_ERROR', message: 'a fault of this server; its log has the details' });
  });
}
