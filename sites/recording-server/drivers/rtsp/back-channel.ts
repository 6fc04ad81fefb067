import {
  aLawOfMuLaw,
  type BackChannel,
  firstHeader,
  parseInterleavedChannels,
  parseSdp,
  parseSessionHeader,
  resolveControlUrl,
  selectBackChannel,
} from '@holdfast/core';
import { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError } from '../camera-session-error.js';
import type { CameraAccess, Speaker } from '../driver.js';
import { RtspConnection } from './rtsp-connection.js';

/** ONVIF Streaming Specification §5.3: who does not ask for it is not shown the back channel. */
const REQUIRE = ['Require', 'www.onvif.org/ver20/backchannel'] as const;
const KEEP_ALIVE_MS = 15_000;
/** 40 ms: what cameras expect of a telephone. */
const PACKET_SAMPLES_MAX = 320;

/** Opens the loudspeaker of a camera: a session of its own, beside the one that records. */
export async function openBackChannel(
  access: CameraAccess,
  signal: AbortSignal,
  authorisation = new CameraAuthorisation(access),
): Promise<Speaker> {
  const { address, tlsAuthorities, random } = access;
  const stack = new AsyncDisposableStack();
  try {
    const connection = stack.use(
      await RtspConnection.open(
        { address, authorisation, tlsAuthorities, frame: () => {}, garbage: () => {} },
        signal,
      ),
    );
    const aborted = () => connection.interrupt(signal.reason as Error);
    signal.addEventListener('abort', aborted, { once: true });
    const { channel, rtpChannel, uri } = await setUp(connection, address);
    await connection.request({ method: 'PLAY', uri, headers: [REQUIRE] });
    signal.removeEventListener('abort', aborted);
    const timer = setInterval(
      () => void connection.request({ method: 'OPTIONS', uri }).catch(() => {}),
      KEEP_ALIVE_MS,
    );
    stack.defer(() => clearInterval(timer));
    const packets = new SoundPackets(channel, random);
    const opened = stack.move();
    return {
      lost: connection.lost,
      say: sound => {
        for (const packet of packets.of(sound)) connection.send(rtpChannel, packet);
      },
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  } finally {
    await stack.disposeAsync();
  }
}

/** Whether a camera has one, and how it calls its software. Nothing is opened for it. Never rejects: who does not answer has none. */
export async function findBackChannel(
  { address, tlsAuthorities, ...access }: CameraAccess,
  signal: AbortSignal,
): Promise<{ readonly speaker: boolean; readonly model: string }> {
  let model = '';
  try {
    const authorisation = new CameraAuthorisation(access);
    await using connection = await RtspConnection.open(
      { address, authorisation, tlsAuthorities, frame: () => {}, garbage: () => {} },
      signal,
    );
    const aborted = () => connection.interrupt(signal.reason as Error);
    signal.addEventListener('abort', aborted, { once: true });
    using _listener = { [Symbol.dispose]: () => signal.removeEventListener('abort', aborted) };
    const options = await connection.exchange({ method: 'OPTIONS', uri: address });
    model = firstHeader(options.headers, 'server') ?? '';
    const described = await describeWithBackChannel(connection, address);
    model = firstHeader(described.headers, 'server') ?? model;
    const description = parseSdp(new TextDecoder().decode(described.body));
    return { speaker: selectBackChannel(description) !== null, model };
  } catch {
    return { speaker: false, model };
  }
}

function describeWithBackChannel(connection: RtspConnection, address: string) {
  const headers = [['Accept', 'application/sdp'], REQUIRE] as const;
  return connection.request({ method: 'DESCRIBE', uri: address, headers });
}

async function setUp(connection: RtspConnection, address: string) {
  const described = await describeWithBackChannel(connection, address);
  const description = parseSdp(new TextDecoder().decode(described.body));
  const channel = selectBackChannel(description);
  if (channel === null) {
    const words = 'the camera takes no sound in G.711 for a loudspeaker';
    throw new CameraSessionError('STREAM_UNSUPPORTED', 'UNSUPPORTED_MEDIA', words);
  }
  const baseUrl =
    firstHeader(described.headers, 'content-base') ??
    firstHeader(described.headers, 'content-location') ??
    address;
  const response = await connection.request({
    method: 'SETUP',
    uri: resolveControlUrl(baseUrl, channel.control),
    headers: [['Transport', 'RTP/AVP/TCP;unicast;interleaved=0-1'], REQUIRE],
  });
  const session = firstHeader(response.headers, 'session');
  if (session !== null) connection.useSession(parseSessionHeader(session).id);
  const uri = resolveControlUrl(baseUrl, description.control);
  connection.teardownWith(uri);
  const agreed = parseInterleavedChannels(firstHeader(response.headers, 'transport') ?? '');
  return { channel, rtpChannel: agreed?.rtp ?? 0, uri };
}

/** Sound as RTP packets (RFC 3551 §4.5.14). */
class SoundPackets {
  readonly #channel: BackChannel;
  readonly #source: number;
  #sequence: number;
  #timestamp: number;
  #isFirst = true;

  constructor(channel: BackChannel, random: () => number) {
    this.#channel = channel;
    this.#source = Math.floor(random() * 2 ** 32);
    this.#sequence = Math.floor(random() * 2 ** 16);
    this.#timestamp = Math.floor(random() * 2 ** 32);
  }

  *of(sound: Uint8Array): Generator<Uint8Array> {
    const { codec, payloadType } = this.#channel;
    const samples = codec === 'PCMU' ? sound : aLawOfMuLaw(sound);
    for (let from = 0; from < samples.length; from += PACKET_SAMPLES_MAX) {
      const part = samples.subarray(from, from + PACKET_SAMPLES_MAX);
      const packet = Buffer.alloc(12 + part.length);
      packet[0] = 0x80;
      // The marker: sound begins after silence.
      packet[1] = (this.#isFirst ? 0x80 : 0) | payloadType;
      packet.writeUInt16BE(this.#sequence, 2);
      packet.writeUInt32BE(this.#timestamp, 4);
      packet.writeUInt32BE(this.#source, 8);
      packet.set(part, 12);
      this.#isFirst = false;
      this.#sequence = (this.#sequence + 1) % 2 ** 16;
      this.#timestamp = (this.#timestamp + part.length) % 2 ** 32;
      yield packet;
    }
  }
}
