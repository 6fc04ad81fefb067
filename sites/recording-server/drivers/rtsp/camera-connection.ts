import { type AssembledStream, StreamAssembler, type Track, VIDEO_TIMESCALE } from '@holdfast/core';
import type { CameraTransport, RecordingCause } from '@holdfast/schema';
import type { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError } from '../camera-session-error.js';
import type { CameraLimits } from '../driver.js';
import { MediaWatch } from '../media-watch.js';
import { RtspConnection } from './rtsp-connection.js';
import { type ChannelUse, describe, keepAlive, play, type RtspDescription, setUp } from './rtsp-play.js';
import { UdpTrack } from './udp-track.js';

export interface CameraConnectionOptions {
  readonly address: string;
  readonly authorisation: CameraAuthorisation;
  readonly transport: CameraTransport;
  readonly random: () => number;
  readonly tlsAuthorities?: readonly string[] | undefined;
  readonly now: () => number;
  readonly limits: CameraLimits;
  readonly output: AssembledStream;
  /** Why the open run ends when the connection does. */
  readonly endCause: () => RecordingCause;
}

/**
 * Connects once and streams until the camera is lost or the signal aborts. Resolves with why it was lost, or `null` when
 * aborted.
 * @throws whatever `output` throws
 */
export async function streamOnce(
  options: CameraConnectionOptions,
  signal: AbortSignal,
): Promise<CameraSessionError | null> {
  let assembler: StreamAssembler | null = null;
  try {
    let channels: ReadonlyMap<number, ChannelUse> = new Map();
    const watch = new MediaWatch(options.limits);
    const take = (use: ChannelUse, bytes: Uint8Array, start: number, end: number, arrivalMs: number) => {
      if (assembler === null) return;
      if (use.isControl) assembler.rtcp(use.track, bytes, start, end, arrivalMs);
      else if (assembler.rtp(use.track, bytes, start, end, arrivalMs)) watch.packet(use.track);
    };
    await using connection = await RtspConnection.open(
      {
        address: options.address,
        authorisation: options.authorisation,
        tlsAuthorities: options.tlsAuthorities,
        tunnelled: options.transport === 'HTTP',
        garbage: () => {},
        frame: (channel, bytes, start, end) => {
          const use = channels.get(channel);
          if (use !== undefined) take(use, bytes, start, end, options.now());
        },
      },
      signal,
    );
    const aborted = () => connection.interrupt(new AbortedError());
    signal.addEventListener('abort', aborted, { once: true });
    using _listener = { [Symbol.dispose]: () => signal.removeEventListener('abort', aborted) };
    const description = await describe(connection, options.address);
    using datagrams = new DisposableStack();
    const setup = await setUp(connection, description, {
      transport: options.transport,
      openUdp: async track =>
        datagrams.use(await openUdpTrack(track, description, connection, options, take)),
    });
    channels = setup.channels;
    assembler = new StreamAssembler({
      video: description.streams.video,
      audio: setup.hasAudio ? description.streams.audio : null,
      metadata: setup.hasMetadata ? description.streams.metadata : null,
      output: watch.around(options.output),
    });
    await play(connection, description);
    if (channels.size > 0) connection.paceReads();
    using _keepAlive = keepAlive(connection, description, setup.timeoutSeconds);
    using _watch = watch.start(fault => connection.fail(fault));
    throw await connection.lost;
  } catch (fault) {
    if (signal.aborted) return null;
    if (fault instanceof CameraSessionError) return fault;
    throw fault;
  } finally {
    assembler?.end(options.endCause());
  }
}

function openUdpTrack(
  track: Track,
  description: RtspDescription,
  connection: RtspConnection,
  { now, random }: CameraConnectionOptions,
  take: (use: ChannelUse, bytes: Uint8Array, start: number, end: number, arrivalMs: number) => void,
): Promise<UdpTrack> {
  const { streams } = description;
  const guarded = (isControl: boolean) => (bytes: Uint8Array, arrivalMs: number) => {
    try {
      take({ track, isControl }, bytes, 0, bytes.length, arrivalMs);
    } catch (fault) {
      // As what a frame of the connection throws does: it ends the session as a fault.
      connection.fail(fault instanceof Error ? fault : new Error(String(fault)));
    }
  };
  return UdpTrack.open({
    remoteAddress: connection.remoteAddress,
    clockRate: clockRateOf(track, streams),
    now,
    random,
    packet: guarded(false),
    control: guarded(true),
  });
}

function clockRateOf(track: Track, { audio, metadata }: RtspDescription['streams']): number {
  const beside = track === 'AUDIO' ? audio : track === 'METADATA' ? metadata : null;
  return beside?.clockRate ?? VIDEO_TIMESCALE;
}

class AbortedError extends Error {
  override readonly name = 'AbortedError';
  readonly code = 'ABORTED';
}
