import type { Http2SecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { PeerCredentials } from '../certificates/certificate-authority.js';
import { commonGrpcOptions } from './grpc-options.js';
import { raiseServerWindow } from './grpc-window.js';

/** A renewed certificate counts that much later at the latest. */
const RENEWED_LOOK_MS = 60_000;

export class GrpcListenError extends Error {
  override readonly name = 'GrpcListenError';
  readonly code = 'GRPC_CANNOT_LISTEN';
}

/**
 * A gRPC server that talks only to peers with a certificate of our authority (mutual TLS, RFC 8446 §4.3.2), or, without
 * credentials, to whoever is on this machine.
 */
export interface GrpcServer extends AsyncDisposable {
  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void;
  /** `port: 0` takes a free one. Throws `GrpcListenError`. */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ readonly port: number }>;
}

/**
 * A peer with no certificate, or one of another authority, does not get past the handshake; its address and the reason are
 * logged. Disposing cuts every connection: what was not acknowledged is sent again to the next server.
 */
export function createGrpcServer(options: {
  readonly credentials: PeerCredentials | null;
  readonly logger: Logger;
  /** Other than the real one for tests only. */
  readonly renewedLookMs?: number;
}): GrpcServer {
  const { credentials, logger, renewedLookMs = RENEWED_LOOK_MS } = options;
  const server = new Server(commonGrpcOptions);
  const stopRenewing: (() => void)[] = [];
  raiseServerWindow(server, http2Server => {
    logRefusedPeers(http2Server, logger);
    if (credentials?.renew)
      stopRenewing.push(renewAgain(http2Server, credentials, { logger, renewedLookMs }));
  });
  return {
    addService: (definition, implementation) => server.addService(definition, implementation),
    listen: ({ host, port }) =>
      new Promise((resolve, reject) => {
        if (credentials === null && !isLoopback(host)) {
          throw new GrpcListenError(`${host} is not the loopback: certificates are needed there`);
        }
        server.bindAsync(authorityOf(host, port), serverCredentialsOf(credentials), (error, boundPort) => {
          if (error === null) return resolve({ port: boundPort });
          reject(
            new GrpcListenError(`cannot listen on ${host} port ${port}: ${error.message}`, { cause: error }),
          );
        });
      }),
    [Symbol.asyncDispose]: async () => {
      for (const stop of stopRenewing) stop();
      server.forceShutdown();
    },
  };
}

/** Connections that are open stay so: a certificate is looked at when one is opened. Returns what ends it. */
function renewAgain(
  http2Server: Http2SecureServer,
  credentials: PeerCredentials,
  { logger, renewedLookMs }: { readonly logger: Logger; readonly renewedLookMs: number },
): () => void {
  let { certificatePem, authorityPem } = credentials;
  const look = setInterval(() => {
    credentials.renew?.();
    if (credentials.certificatePem === certificatePem && credentials.authorityPem === authorityPem) return;
    ({ certificatePem, authorityPem } = credentials);
    http2Server.setSecureContext({ cert: certificatePem, key: credentials.privateKeyPem, ca: authorityPem });
    logger.info('a renewed certificate is served from now on');
  }, renewedLookMs);
  return () => clearInterval(look);
}

function logRefusedPeers(http2Server: Http2SecureServer, logger: Logger): void {
  // A socket forgets its peer's address when it is destroyed, unless it was asked before.
  http2Server.on('connection', (socket: Socket) => void socket.remoteAddress);
  http2Server.on('tlsClientError', (error, socket) => {
    const raw = (socket as { _parent?: Socket })._parent ?? socket;
    logger.warn(
      { peer: raw.remoteAddress ?? null, reason: error.message },
      'peer refused at the TLS handshake',
    );
  });
}

/** `host:port`, with IPv6 addresses in brackets. */
export function authorityOf(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.[0-9]{1,3}){3}$/.test(host);
}

function serverCredentialsOf(credentials: PeerCredentials | null): ServerCredentials {
  if (credentials === null) return ServerCredentials.createInsecure();
  const keyPair = {
    private_key: Buffer.from(credentials.privateKeyPem),
    cert_chain: Buffer.from(credentials.certificatePem),
  };
  return ServerCredentials.createSsl(Buffer.from(credentials.authorityPem), [keyPair], true);
}
