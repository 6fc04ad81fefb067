import {
  type Fragment,
  type InitSegment,
  type MediaItem,
  readFragment,
  readSamples,
  VIDEO_TIMESCALE,
  VIDEO_TRACK_ID,
} from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import { type FfmpegProbe, probeFfmpeg, runFfmpeg } from './ffmpeg.js';

/** One snapshot is 40 to 100 ms of a core: more at once would be felt by the recordings. */
const concurrentMax = 2;
/** Who waits behind this many asks too much. */
const waitingMax = 32;
const timeoutMs = 10_000;
/** A picture is looked for this far back: one long group of pictures. */
const lookBackMs = 30_000;
const jpegBytesMax = 16 * 1024 * 1024;

export type Snapshot =
  | { readonly made: true; readonly jpeg: Buffer; readonly atMs: number }
  | { readonly made: false; readonly refusal: SnapshotRefusal };

export interface SnapshotRefusal {
  readonly code: 'NO_FFMPEG' | 'NO_RECORDING' | 'NOT_DECODABLE' | 'BUSY';
  readonly message: string;
}

export interface SnapshotMakerOptions {
  readonly read: (window: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
    readonly signal: AbortSignal;
  }) => AsyncIterable<MediaItem>;
  /** Commands to try, in order: `ffmpegCandidates`. */
  readonly ffmpeg: readonly string[];
}

/** Makes JPEG pictures out of recordings, with ffmpeg as a separate process. */
export class SnapshotMaker {
  readonly #options: SnapshotMakerOptions;
  #probe: Promise<FfmpegProbe> | null = null;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: SnapshotMakerOptions) {
    this.#options = options;
  }

  /** The picture that was to be seen at `atMs`: the last one taken at or before it, at most 30 s old. */
  async make(request: {
    readonly deviceId: DeviceId;
    readonly atMs: number;
    readonly signal: AbortSignal;
  }): Promise<Snapshot> {
    this.#probe ??= probeFfmpeg(this.#options.ffmpeg);
    const probe = await this.#probe;
    if (!probe.found) return refused('NO_FFMPEG', probe.detail);
    if (this.#waiting.length >= waitingMax) {
      return refused('BUSY', `${waitingMax} snapshots are waiting already: ask again later`);
    }
    await this.#turn();
    try {
      return await this.#makeWith(probe.command, request);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }

  async #makeWith(
    command: string,
    request: { readonly deviceId: DeviceId; readonly atMs: number; readonly signal: AbortSignal },
  ): Promise<Snapshot> {
    const { deviceId, atMs, signal } = request;
    const group = await this.#groupAt(request);
    if (!group) {
      return refused(
        'NO_RECORDING',
        `device ${deviceId} has no recording in the ${lookBackMs / 1000} s before ${new Date(atMs).toISOString()}`,
      );
    }
    const { init, fragments } = group;
    const picture = pictureAt(fragments, atMs);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const run = await runFfmpeg({
      command,
      args: jpegArguments(picture.index),
      input: Buffer.concat([init.bytes, ...fragments.map(fragment => fragment.bytes)]),
      outputBytesMax: jpegBytesMax,
      signal: limit,
    });
    signal.throwIfAborted();
    if (!run.done) return refused('NOT_DECODABLE', `ffmpeg: ${run.detail}`);
    if (run.output.length === 0) return refused('NOT_DECODABLE', 'ffmpeg found no picture in the recording');
    return { made: true, jpeg: run.output, atMs: picture.atMs };
  }

  /** The key frame at or before the time, and what follows it up to then. */
  async #groupAt(request: {
    readonly deviceId: DeviceId;
    readonly atMs: number;
    readonly signal: AbortSignal;
  }): Promise<{ readonly init: InitSegment; readonly fragments: readonly Fragment[] } | null> {
    const { deviceId, atMs, signal } = request;
    let init: InitSegment | null = null;
    let fragments: Fragment[] = [];
    let group: { init: InitSegment; fragments: Fragment[] } | null = null;
    const window = { deviceId, fromMs: atMs - lookBackMs, toMs: atMs + 1, signal };
    for await (const item of this.#options.read(window)) {
      if (item.kind === 'init') {
        init = item.init;
        fragments = [];
      } else if (item.kind === 'fragment' && init) {
        if (item.fragment.beginsWithKeyFrame) fragments = [item.fragment];
        else if (fragments.length > 0) fragments.push(item.fragment);
        if (fragments.length > 0) group = { init, fragments };
      }
    }
    return group;
  }

  async #turn(): Promise<void> {
    while (this.#running >= concurrentMax) {
      await new Promise<void>(resolve => this.#waiting.push(resolve));
    }
    this.#running += 1;
  }
}

/** The last picture taken at or before the time, counted from the key frame; the key frame when nothing is known. */
function pictureAt(
  fragments: readonly Fragment[],
  atMs: number,
): { readonly index: number; readonly atMs: number } {
  let picture = { index: 0, atMs: fragments[0]!.fromMs };
  let index = 0;
  for (const { bytes } of fragments) {
    const read = readFragment(bytes, 0);
    for (const sample of read ? readSamples(bytes, read, VIDEO_TRACK_ID) : []) {
      const takenMs = sample.ticks / (VIDEO_TIMESCALE / 1000);
      if (takenMs <= atMs) picture = { index, atMs: Math.floor(takenMs) };
      index += 1;
    }
  }
  return picture;
}

/** Decodes up to the picture and encodes only that one. */
function jpegArguments(pictureIndex: number): string[] {
  return [
    ...['-hide_banner', '-loglevel', 'error', '-threads', '1', '-i', 'pipe:0', '-an'],
    ...['-vf', `select=eq(n\\,${pictureIndex})`, '-frames:v', '1'],
    ...['-c:v', 'mjpeg', '-q:v', '3', '-f', 'image2pipe', 'pipe:1'],
  ];
}

function refused(code: SnapshotRefusal['code'], message: string): Snapshot {
  return { made: false, refusal: { code, message } };
}
