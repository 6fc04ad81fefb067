import { findBox, type InitSegment } from '@holdfast/core';
import { CameraAddress, type HardwareCapabilities } from '@holdfast/schema';
import type { CameraSessionOptions, CameraSink } from './driver.js';

/** What a driver may find out beside the stream. */
export interface FoundBeside {
  readonly speaker: boolean;
  /** As the camera calls its software; empty: it does not say. */
  readonly model: string;
}

/** By the first part of their RFC 6381 names, as cameras call them. */
const encodings: Readonly<Record<string, string>> = {
  ...{ avc1: 'H264', hvc1: 'H265', mp4v: 'JPEG' },
  ...{ mp4a: 'AAC', ulaw: 'PCMU', alaw: 'PCMA', opus: 'OPUS' },
};

/**
 * For drivers that cannot ask a camera what it can: what is known from what it sends is told, once for each connection. `findBeside`
 * is called once for all of them, and never rejects.
 */
export function tellingFormat(
  options: CameraSessionOptions,
  signal: AbortSignal,
  findBeside: () => Promise<FoundBeside>,
): CameraSessionOptions {
  const { sink: told, address } = options;
  if (told.capabilitiesFound === undefined) return options;
  let beside: Promise<FoundBeside> | null = null;
  let isTold = false;
  const tell = async (init: InitSegment): Promise<void> => {
    beside ??= findBeside();
    const found = await beside;
    if (!signal.aborted) told.capabilitiesFound?.(capabilitiesOfFormat(init, address, found));
  };
  const sink: CameraSink = {
    connected(atMs) {
      isTold = false;
      told.connected(atMs);
    },
    format(init) {
      told.format(init);
      if (isTold) return;
      isTold = true;
      void tell(init);
    },
    liveFragment: fragment => told.liveFragment(fragment),
    recordedFragment: fragment => told.recordedFragment(fragment),
    runEnded: (cause, atMs) => told.runEnded(cause, atMs),
    accessUnitsLost: (count, atMs) => told.accessUnitsLost(count, atMs),
    connectionLost: (cause, detail, atMs) => told.connectionLost(cause, detail, atMs),
    deviceSignal: (found, atMs) => told.deviceSignal?.(found, atMs),
  };
  return { ...options, sink };
}

export function capabilitiesOfFormat(
  { bytes, codecs }: InitSegment,
  address: string,
  { speaker, model }: FoundBeside,
): HardwareCapabilities {
  const [video = '', ...others] = codecs.split(',').map(codec => codec.split('.')[0]!);
  const sound = others.find(codec => codec !== 'metx');
  const named = CameraAddress.safeParse(address);
  const encoding = encodings[video] ?? video;
  const stream = { name: 'main', address: named.data!, encoding, ...sizeOf(bytes) };
  return {
    ...{ manufacturer: '', model: model.slice(0, 200), firmwareVersion: '' },
    // An address may be longer than the log takes.
    streams: named.success ? [stream] : [],
    ...{ ptz: false, outputs: [], metadata: others.includes('metx'), speaker },
    audio: sound === undefined ? '' : (encodings[sound] ?? sound),
  };
}

/** Of the first track: `tkhd` (ISO/IEC 14496-12 §8.3.2), in pixels and 65,536ths. */
function sizeOf(init: Uint8Array): { readonly width: number; readonly height: number } {
  const header = findBox(init, ['moov', 'trak', 'tkhd']);
  if (header === null) return { width: 0, height: 0 };
  const view = new DataView(init.buffer, init.byteOffset, init.byteLength);
  return {
    width: view.getUint16(header.contentStart + 76),
    height: view.getUint16(header.contentStart + 80),
  };
}
