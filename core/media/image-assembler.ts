import type { RecordingCause } from '@holdfast/schema';
import { type StreamFormat, VIDEO_TIMESCALE } from './access-unit.js';
import { CLOCK_STEP_MS } from './capture-clock.js';
import { Fragmenter } from './fragmenter.js';
import { jpegSize } from './jpeg-header.js';
import type { AssembledStream } from './stream-assembler.js';

const TICKS_PER_MS = VIDEO_TIMESCALE / 1000;

/** Makes fragments out of whole JPEG pictures, for the life of one connection. Their arrival is their capture time. */
export class ImageAssembler {
  readonly #output: AssembledStream;
  readonly #fragmenter: Fragmenter;
  #format: StreamFormat | null = null;
  #lastTicks = Number.NEGATIVE_INFINITY;

  constructor(output: AssembledStream) {
    this.#output = output;
    this.#fragmenter = new Fragmenter(output);
  }

  /** The bytes are the assembler's from now on. */
  image(jpeg: Uint8Array, arrivalMs: number): void {
    const size = jpegSize(jpeg);
    if (size === null) {
      this.#output.accessUnitsLost(1);
      return;
    }
    let ticks = Math.round(arrivalMs * TICKS_PER_MS);
    if (ticks < this.#lastTicks - CLOCK_STEP_MS * TICKS_PER_MS) this.#fragmenter.end('CLOCK_STEPPED');
    else ticks = Math.max(ticks, this.#lastTicks + 1);
    const { video } = this.#format ?? {};
    if (video?.width !== size.width || video.height !== size.height) {
      this.#format = { video: { codec: 'MJPEG', ...size }, audio: null };
      this.#fragmenter.end('CAMERA_FORMAT_SWITCHED');
    }
    if (this.#fragmenter.format === null) this.#fragmenter.begin(this.#format!);
    this.#lastTicks = ticks;
    this.#fragmenter.push({
      ...{ track: 'VIDEO', ticks, keyFrame: true, parts: [jpeg], byteLength: jpeg.length },
      ...{ arrivalMs, timeSource: 'ARRIVAL' },
    });
  }

  end(cause: RecordingCause): void {
    this.#fragmenter.end(cause);
  }
}
