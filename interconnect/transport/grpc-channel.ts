import { Channel, ChannelCredentials } from '@grpc/grpc-js';
import type { PeerCredentials } from '../certificates/certificate-authority.js';
import { commonGrpcOptions } from './grpc-options.js';
import { authorityOf } from './grpc-server.js';

/** Where a peer listens, and the TLS name that its certificate must carry (`serverNameOfRole`). */
export interface PeerAddress {
  readonly host: string;
  /** 1..65535 */
  readonly port: number;
  readonly serverName: string;
}

/**
 * A TCP connection of its own, with mutual TLS, opened when first used. Never shared between purposes: facts would queue
 * behind media. Pass it to a client as `channelOverride`, and `close()` it when done.
 */
export function createGrpcChannel(options: {
  readonly peer: PeerAddress;
  readonly credentials: PeerCredentials;
}): Channel {
  const { peer, credentials } = options;
  credentials.renew?.();
  return new Channel(
    authorityOf(peer.host, peer.port),
    ChannelCredentials.createSsl(
      Buffer.from(credentials.authorityPem),
      Buffer.from(credentials.privateKeyPem),
      Buffer.from(credentials.certificatePem),
    ),
    {
      ...commonGrpcOptions,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.ssl_target_name_override': peer.serverName,
      'grpc.default_authority': peer.serverName,
      // Servers of one network talk directly; a proxy meant for browsers in the environment must not come between.
      'grpc.enable_http_proxy': 0,
      // Who dials decides when to dial again: no hidden second back-off of many seconds below ours.
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 2_000,
    },
  );
}
