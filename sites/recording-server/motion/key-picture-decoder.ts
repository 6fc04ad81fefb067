import { type Fragment, type KeyPictureCodec, type KeyPictureSource, keyPicture } from '@holdfast/core';
import type { Logger } from 'pino';
import { type DecodedPicture, DecoderProcess } from './decoder-process.js';

/** ffmpeg remembers a little of every picture: it is begun anew after so many. */
const PICTURES_MAX = 20_000;
/** A decoder that gives nothing for so long, though it has several pictures, hangs. */
const STUCK_MS = 30_000;
/** One that ends by itself is begun again after this, doubled up to the maximum. */
const RESTART_MS_MIN = 1_000;
const RESTART_MS_MAX = 60_000;

/** Decodes key pictures of any number of cameras, in one ffmpeg for each codec. */
export class KeyPictureDecoder implements AsyncDisposable {
  readonly #command: string;
  readonly #logger: Logger;
  readonly #processes = new Map<KeyPictureCodec, DecoderProcess>();
  readonly #alive = new Set<DecoderProcess>();
  #restartMs = RESTART_MS_MIN;
  #notBeforeMs = 0;
  #isDisposed = false;

  constructor(options: { readonly command: string; readonly logger: Logger }) {
    this.#command = options.command;
    this.#logger = options.logger;
  }

  get processIds(): readonly number[] {
    return [...this.#alive].flatMap(process => process.pid ?? []);
  }

  /** The fragment is read before this returns. Null: the picture could not be decoded, or there are too many. */
  async decode(source: KeyPictureSource, fragment: Fragment): Promise<DecodedPicture> {
    const process = this.#processFor(source);
    if (process === null) return null;
    const picture = await process.decode(index => keyPicture(source, fragment, index));
    if (picture !== null) this.#restartMs = RESTART_MS_MIN;
    return picture;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    for (const process of this.#alive) process.kill();
    await Promise.all([...this.#alive].map(process => process.exited));
  }

  #processFor(source: KeyPictureSource): DecoderProcess | null {
    const running = this.#processes.get(source.codec);
    const nowMs = performance.now();
    if (running && running.stuckSinceMs !== null && nowMs - running.stuckSinceMs > STUCK_MS) running.kill();
    if (running && !running.hasEnded && running.count < PICTURES_MAX) return running;
    running?.finish();
    if (this.#isDisposed || nowMs < this.#notBeforeMs) return null;
    const process = new DecoderProcess(this.#command, source.init);
    this.#processes.set(source.codec, process);
    this.#alive.add(process);
    void process.exited.then(() => this.#exited(process, source.codec));
    return process;
  }

  #exited(process: DecoderProcess, codec: KeyPictureCodec): void {
    this.#alive.delete(process);
    if (this.#isDisposed || this.#processes.get(codec) !== process) return;
    this.#logger.warn({ codec, restartMs: this.#restartMs }, 'the decoder of motion detection has ended');
    this.#notBeforeMs = performance.now() + this.#restartMs;
    this.#restartMs = Math.min(this.#restartMs * 2, RESTART_MS_MAX);
  }
}
