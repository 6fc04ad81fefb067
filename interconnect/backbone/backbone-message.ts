import { SiteId } from '@holdfast/schema';
import { type FrameCodec, faultOfFrame } from '../replication/event-frame.js';
import type { BackboneFrame } from './backbone.js';

/** A record of a partition, as its client library gives and takes it. */
export interface BackboneMessage {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, Buffer>>;
}

/** A record that is no frame of ours: somebody else writes into the topic, or the software is newer. */
export class BackboneMessageError extends Error {
  override readonly name = 'BackboneMessageError';
  readonly code = 'BACKBONE_MESSAGE_MALFORMED';
}

const ROOT_BYTES = 32;
const codecs: ReadonlySet<string> = new Set<FrameCodec>(['IDENTITY', 'ZSTD']);

/** Key: the origin, so that the frames of a site stay in order. Value: the packed events as they came. Rest: headers. */
export function messageOf({ site, session, frame }: BackboneFrame): BackboneMessage {
  const { epoch, firstPosition, count, codec, rawByteLength, root, checkpoint, events } = frame;
  const text = (value: string | number) => Buffer.from(String(value));
  return {
    key: text(site),
    value: asBuffer(events),
    headers: {
      ...{ origin: text(site), session: text(session), epoch: text(epoch) },
      ...{ firstPosition: text(firstPosition), count: text(count), codec: text(codec) },
      ...{ rawByteLength: text(rawByteLength), root: asBuffer(root) },
      checkpoint: text(checkpoint ?? ''),
    },
  };
}

/** Throws `BackboneMessageError`. The events are not unpacked, and nothing is believed of them yet. */
export function frameOfMessage(message: {
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
}): BackboneFrame {
  const header = (name: string): Buffer => {
    const value = message.headers?.[name];
    if (Buffer.isBuffer(value)) return value;
    throw new BackboneMessageError(`expected one header ${name}`);
  };
  const number = (name: string, min: number): number => {
    const value = Number(header(name).toString());
    if (Number.isSafeInteger(value) && value >= min) return value;
    throw new BackboneMessageError(`expected the header ${name} to be a whole number from ${min} on`);
  };
  const site = SiteId.safeParse(header('origin').toString());
  if (!site.success) throw new BackboneMessageError('expected the header origin to be the id of a site');
  const codec = header('codec').toString();
  if (!codecs.has(codec)) throw new BackboneMessageError(`codec ${codec} is not known here`);
  const root = header('root');
  if (root.length !== ROOT_BYTES)
    throw new BackboneMessageError(`expected a root of ${ROOT_BYTES} bytes, found ${root.length}`);
  const checkpoint = header('checkpoint').toString();
  if (message.value === null) throw new BackboneMessageError('expected events, found none');
  const frame = {
    ...{ kind: 'batch' as const, origin: site.data, checkpoint: checkpoint === '' ? null : checkpoint },
    ...{ epoch: number('epoch', 1), firstPosition: number('firstPosition', 1), count: number('count', 1) },
    ...{ codec: codec as FrameCodec, rawByteLength: number('rawByteLength', 0), root, events: message.value },
    consistency: [],
  };
  const fault = faultOfFrame(frame);
  if (fault !== null) throw new BackboneMessageError(`a frame of ${fault}`);
  return { site: site.data, session: number('session', 0), frame };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
