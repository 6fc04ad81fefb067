import {
  firstHeader,
  parseDatagramTransport,
  parseInterleavedChannels,
  parseSdp,
  parseSessionHeader,
  resolveControlUrl,
  type SelectedStreams,
  selectStreams,
  type Track,
} from '@holdfast/core';
import type { CameraTransport } from '@holdfast/schema';
import { CameraSessionError } from '../camera-session-error.js';
import type { RtspConnection } from './rtsp-connection.js';
import type { UdpTrack } from './udp-track.js';

/** Twice within the camera's own limit; cameras that promise hours are still asked twice a minute whether they live. */
const KEEP_ALIVE_MS_MAX = 30_000;
const KEEP_ALIVE_MS_MIN = 1_000;

export type Streams = Extract<SelectedStreams, { kind: 'selected' }>;

export interface ChannelUse {
  readonly track: Track;
  readonly isControl: boolean;
}

export interface RtspDescription {
  readonly streams: Streams;
  readonly baseUrl: string;
  readonly aggregateUrl: string;
  readonly answersGetParameter: boolean;
}

/** OPTIONS and DESCRIBE. @throws CameraSessionError */
export async function describe(connection: RtspConnection, address: string): Promise<RtspDescription> {
  // Asked first and never held against the camera: some refuse OPTIONS, and play all the same.
  const options = await connection.exchange({ method: 'OPTIONS', uri: address });
  const methods = firstHeader(options.headers, 'public') ?? '';
  const response = await connection.request({
    method: 'DESCRIBE',
    uri: address,
    headers: [['Accept', 'application/sdp']],
  });
  const description = parseSdp(new TextDecoder().decode(response.body));
  const streams = selectStreams(description);
  if (streams.kind === 'refused')
    throw new CameraSessionError('STREAM_UNSUPPORTED', 'UNSUPPORTED_MEDIA', streams.detail);
  const baseUrl =
    firstHeader(response.headers, 'content-base') ??
    firstHeader(response.headers, 'content-location') ??
    address;
  return {
    streams,
    baseUrl,
    aggregateUrl: resolveControlUrl(baseUrl, description.control),
    answersGetParameter: /\bGET_PARAMETER\b/i.test(methods),
  };
}

export interface RtspSetup {
  /** What comes interleaved. */
  readonly channels: ReadonlyMap<number, ChannelUse>;
  /** False when the camera describes audio and then refuses to set it up. */
  readonly hasAudio: boolean;
  /** Likewise. */
  readonly hasMetadata: boolean;
  readonly timeoutSeconds: number;
}

export interface SetUpOptions {
  readonly transport: CameraTransport;
  /** Opens a pair of UDP ports for a track; whoever gave this closes it. */
  readonly openUdp: (track: Track) => Promise<UdpTrack>;
}

/** SETUP of the video, and of the audio if the camera is willing. @throws CameraSessionError */
export async function setUp(
  connection: RtspConnection,
  description: RtspDescription,
  { transport, openUdp }: SetUpOptions,
): Promise<RtspSetup> {
  const channels = new Map<number, ChannelUse>();
  let timeoutSeconds = 60;
  const request = async (control: string | null, offer: string): Promise<string | null> => {
    const response = await connection.request({
      method: 'SETUP',
      uri: resolveControlUrl(description.baseUrl, control),
      headers: [['Transport', offer]],
    });
    const session = firstHeader(response.headers, 'session');
    if (session !== null) {
      const parsed = parseSessionHeader(session);
      timeoutSeconds = parsed.timeoutSeconds;
      connection.useSession(parsed.id);
    }
    return firstHeader(response.headers, 'transport');
  };
  const interleave = async (track: Track, control: string | null, firstChannel: number) => {
    const offer = `RTP/AVP/TCP;unicast;interleaved=${firstChannel}-${firstChannel + 1}`;
    const agreed = channelsOf(await request(control, offer), firstChannel);
    channels.set(agreed.rtp, { track, isControl: false });
    channels.set(agreed.rtcp, { track, isControl: true });
  };
  const sendDatagrams = async (track: Track, control: string | null) => {
    const udp = await openUdp(track);
    const answer = await request(
      control,
      `RTP/AVP;unicast;client_port=${udp.clientPort}-${udp.clientPort + 1}`,
    );
    const agreed = parseDatagramTransport(answer ?? '', udp.clientPort);
    if (agreed === null) throw transportRefused('RTP over UDP', answer);
    udp.start(agreed);
  };
  const { video, audio, metadata } = description.streams;
  let usesUdp = transport === 'UDP';
  if (!usesUdp)
    await interleave('VIDEO', video.control, 0).catch((fault: unknown) => {
      const mayTryUdp = transport === 'AUTO' && fault instanceof CameraSessionError;
      if (!mayTryUdp || fault.code !== 'TRANSPORT_UNSUPPORTED') throw fault;
      usesUdp = true;
    });
  if (usesUdp) await sendDatagrams('VIDEO', video.control);
  let hasAudio = false;
  if (audio !== null) {
    const settingUp = usesUdp ? sendDatagrams('AUDIO', audio.control) : interleave('AUDIO', audio.control, 2);
    hasAudio = await settingUp.then(() => true, refusedBeside);
  }
  let hasMetadata = false;
  if (metadata !== null) {
    const { control } = metadata;
    const settingUp = usesUdp ? sendDatagrams('METADATA', control) : interleave('METADATA', control, 4);
    hasMetadata = await settingUp.then(() => true, refusedBeside);
  }
  connection.limitChannels(Math.max(-1, ...channels.keys()));
  connection.teardownWith(description.aggregateUrl);
  return { channels, hasAudio, hasMetadata, timeoutSeconds };
}

/** A camera whose microphone is switched off still has a picture. */
function refusedBeside(fault: unknown): false {
  if (
    fault instanceof CameraSessionError &&
    (fault.code === 'STATUS' || fault.code === 'TRANSPORT_UNSUPPORTED')
  )
    return false;
  throw fault;
}

function channelsOf(
  transport: string | null,
  asked: number,
): { readonly rtp: number; readonly rtcp: number } {
  if (transport === null) return { rtp: asked, rtcp: asked + 1 };
  const agreed = parseInterleavedChannels(transport);
  if (agreed !== null) return agreed;
  throw transportRefused('RTP over TCP', transport);
}

function transportRefused(what: string, answer: string | null): CameraSessionError {
  const words = `the camera does not agree to ${what} (it answers ${JSON.stringify(answer)})`;
  return new CameraSessionError('TRANSPORT_UNSUPPORTED', 'UNSUPPORTED_MEDIA', words);
}

/** @throws CameraSessionError */
export async function play(connection: RtspConnection, description: RtspDescription): Promise<void> {
  await connection.request({
    method: 'PLAY',
    uri: description.aggregateUrl,
    headers: [['Range', 'npt=0.000-']],
  });
}

/** Keeps the session alive (RFC 2326 §10.8) until the signal aborts. Whether media comes is watched elsewhere. */
export function keepAlive(
  connection: RtspConnection,
  description: RtspDescription,
  timeoutSeconds: number,
): Disposable {
  let method = description.answersGetParameter ? 'GET_PARAMETER' : 'OPTIONS';
  const everyMs = Math.max(KEEP_ALIVE_MS_MIN, Math.min(KEEP_ALIVE_MS_MAX, timeoutSeconds * 500));
  const beat = () => {
    connection.request({ method, uri: description.aggregateUrl }).catch((fault: unknown) => {
      if (!(fault instanceof CameraSessionError)) return;
      if (fault.code === 'STATUS' && fault.message.includes(' 454 ')) connection.fail(fault);
      // Announced and then refused: the other method keeps a session alive too.
      else if (fault.code === 'STATUS') method = 'OPTIONS';
    });
  };
  const timer = setInterval(beat, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
