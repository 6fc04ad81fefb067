import { setTimeout as delay } from 'node:timers/promises';
import { ChannelCredentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { backOffMs, type CameraControl, type MediaSource } from '@holdfast/core';
import { MediaChannelClient, type WireChannelFrame } from '@holdfast/protos';
import type { RecordingServerId, SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { PeerCredentials } from '../certificates/certificate-authority.js';
import { createGrpcChannel, type PeerAddress } from '../transport/grpc-channel.js';
import { frameStreamOfClient } from './grpc-frame-stream.js';
import { MediaMultiplexer, type SessionEnd } from './media-multiplexer.js';

/** First bound of the random wait before dialling again; it doubles with each attempt in vain. */
const REDIAL_MS_FIRST = 500;
/** A link that is back is in use again within half of this on average, and a thousand sites do not storm a parent. */
const REDIAL_MS_MAX = 15_000;

/**
 * Keeps the recording server attached to the parent: dials outwards (it may be behind a carrier's NAT) and answers what it is
 * asked for from `source`, until the signal is aborted. Every loss is followed by another attempt, after a random
 * time (full jitter). Never throws for what the network or the parent does.
 */
export async function runMediaChannel(
  options: {
    readonly parent: PeerAddress;
    readonly credentials: PeerCredentials;
    readonly siteId: SiteId;
    readonly recordingServerId: RecordingServerId;
    /** What the parent may ask for. */
    readonly source: MediaSource;
    /** Whom the parent may have cameras told something by. */
    readonly control?: CameraControl;
    /** Name and version, for the parent's log. */
    readonly software: string;
    /** Milliseconds of a clock that never steps. */
    readonly monotonicMs: () => number;
    /** 0 inclusive to 1 exclusive. */
    readonly random: () => number;
    readonly logger: Logger;
    /** Longest wait between two attempts. */
    readonly redialMsMax?: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const { parent, logger } = options;
  let attemptsInVain = 0;
  while (!signal.aborted) {
    const { wasAttached, end } = await attachOnce(options, signal);
    if (signal.aborted) return;
    attemptsInVain = wasAttached ? 0 : attemptsInVain + 1;
    const redial = { firstMs: REDIAL_MS_FIRST, mostMs: options.redialMsMax ?? REDIAL_MS_MAX };
    const waitMs = Math.round(backOffMs(redial, attemptsInVain, options.random()));
    logger.info({ parent, end, attemptsInVain, waitMs }, 'media channel lost; dialling again');
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }
}

async function attachOnce(
  options: Parameters<typeof runMediaChannel>[0],
  signal: AbortSignal,
): Promise<{ readonly wasAttached: boolean; readonly end: SessionEnd }> {
  const { siteId, recordingServerId, software, source, control, monotonicMs, logger } = options;
  const channel = createGrpcChannel({ peer: options.parent, credentials: options.credentials });
  // The channel given here is the one that is used; address and credentials beside it are not looked at.
  const client = new MediaChannelClient('unused', ChannelCredentials.createInsecure(), {
    channelOverride: channel,
  });
  const call: ClientDuplexStream<WireChannelFrame, WireChannelFrame> = client.Attach!();
  const multiplexer = new MediaMultiplexer({
    stream: frameStreamOfClient(call),
    role: 'DIALLED',
    hello: { siteId, recordingServerId, software },
    refusePeer: () => null,
    source,
    control,
    monotonicMs,
    logger,
  });
  const stop = () => multiplexer.close();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const peer = await multiplexer.ready;
    if (peer !== null) {
      logger.info({ parentSiteId: peer.siteId, software: peer.software }, 'media channel attached');
    }
    return { wasAttached: peer !== null, end: await multiplexer.ended };
  } finally {
    signal.removeEventListener('abort', stop);
    channel.close();
  }
}
