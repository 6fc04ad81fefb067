import type { Http2SecureServer, ServerHttp2Session } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

/**
 * HTTP/2 receive window (RFC 9113 §5.2) of both ends, for each stream and for the connection. grpc-js leaves its server at
 * 64 KiB, which caps an upload at 100 ms round trip at 0.6 MiB/s; 8 MiB carry 80 MiB/s there. It is a limit of the
 * transport only: what a peer may really have in flight is bounded by the credits of each protocol.
 */
export const HTTP2_WINDOW_BYTES = 8 * 1024 * 1024;

/** grpc-js no longer builds its HTTP/2 server where we raise the window. The update has to be looked at, not worked with. */
export class GrpcWindowError extends Error {
  override readonly name = 'GrpcWindowError';
  readonly code = 'GRPC_WINDOW_NOT_RAISABLE';
}

interface Http2ServerFactory {
  createHttp2Server?: (credentials: unknown) => Http2SecureServer;
}

/**
 * Has each HTTP/2 server that this gRPC server will open advertise the larger window, and hands it to `onServer`. The
 * method that is wrapped is internal to grpc-js (1.14 has no option for it), so it is checked here, and the window
 * that arrives at a client is held by a test.
 */
export function raiseServerWindow(server: Server, onServer: (http2Server: Http2SecureServer) => void): void {
  const factory = server as unknown as Http2ServerFactory;
  const createHttp2Server = factory.createHttp2Server;
  if (typeof createHttp2Server !== 'function') {
    throw new GrpcWindowError(
      'grpc-js has no Server.createHttp2Server: use the version pinned in package.json',
    );
  }
  factory.createHttp2Server = credentials => {
    const http2Server = createHttp2Server.call(server, credentials);
    http2Server.updateSettings({ initialWindowSize: HTTP2_WINDOW_BYTES });
    http2Server.on('session', (session: ServerHttp2Session) =>
      session.setLocalWindowSize(HTTP2_WINDOW_BYTES),
    );
    onServer(http2Server);
    return http2Server;
  };
}
