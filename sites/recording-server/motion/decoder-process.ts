import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { MOTION_PICTURE_SIDE } from '@holdfast/core';

/** Bytes on their way into the process, as much as two hundred cameras send at one moment; beyond it pictures are not looked at. */
const INPUT_BYTES_MAX = 64 * 1024 * 1024;
const OUTSTANDING_MAX = 256;
const SAID_CHARACTERS_MAX = 64 * 1024;
/** Below everything else on the machine: recordings come first. */
const NICENESS = 10;

const HEADER = Buffer.from(`P5\n${MOTION_PICTURE_SIDE} ${MOTION_PICTURE_SIDE}\n255\n`);
const IMAGE_BYTES = HEADER.length + MOTION_PICTURE_SIDE ** 2;

/** Fed with key pictures in fragmented MP4, which name their time; says the time of each picture, and gives it in gray. */
const decoderArguments = [
  ...['-hide_banner', '-nostats', '-loglevel', 'info', '-threads', '1', '-flags', 'low_delay'],
  ...[
    '-probesize',
    '32',
    '-analyzeduration',
    '0',
    '-err_detect',
    'explode',
    '-copyts',
    '-f',
    'mp4',
    '-i',
    'pipe:0',
  ],
  '-vf',
  `scale=${MOTION_PICTURE_SIDE}:${MOTION_PICTURE_SIDE}:flags=fast_bilinear,format=gray,showinfo=checksum=0`,
  ...['-fps_mode', 'passthrough', '-c:v', 'pgm', '-f', 'image2pipe', 'pipe:1'],
];

/** 128 × 128 brightnesses, row by row. Null: it could not be decoded. */
export type DecodedPicture = Uint8Array | null;

/** One run of ffmpeg. Pictures come out in the order in which they went in; those that are broken do not come out. */
export class DecoderProcess {
  readonly #child: ChildProcess;
  readonly #outstanding = new Map<
    number,
    { readonly sinceMs: number; readonly done: (picture: DecodedPicture) => void }
  >();
  readonly #indexes: number[] = [];
  readonly #images: Buffer[] = [];
  #output: Buffer = Buffer.alloc(0);
  #said = '';
  #count = 0;
  #ended = false;
  readonly exited: Promise<void>;

  constructor(command: string, init: Uint8Array) {
    this.#child = spawn(command, decoderArguments, { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin, stdout, stderr, pid } = this.#child;
    if (pid !== undefined) lowerPriority(pid);
    // It may be gone before all is written.
    stdin!.on('error', () => undefined);
    stdout!.on('data', (chunk: Buffer) => this.#takeOutput(chunk));
    stderr!.on('data', (chunk: Buffer) => this.#takeSaid(chunk.toString('latin1')));
    this.exited = new Promise(resolve => {
      const exit = () => {
        this.#giveUp();
        resolve();
      };
      this.#child.on('error', exit);
      this.#child.on('close', exit);
    });
    stdin!.write(init);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** How many pictures it was given. */
  get count(): number {
    return this.#count;
  }

  /** Since when the oldest picture is waited for, though others came behind it; null: none. */
  get stuckSinceMs(): number | null {
    if (this.#outstanding.size < 4) return null;
    return this.#outstanding.values().next().value?.sinceMs ?? null;
  }

  /** `picture`: the fragment that shows at so many seconds; null from it: nothing that could be shown. */
  decode(picture: (index: number) => Uint8Array | null): Promise<DecodedPicture> {
    const stdin = this.#child.stdin!;
    const isBehind = stdin.writableLength > INPUT_BYTES_MAX || this.#outstanding.size >= OUTSTANDING_MAX;
    if (this.#ended || isBehind) return Promise.resolve(null);
    this.#count += 1;
    const index = this.#count;
    const bytes = picture(index);
    if (bytes === null) return Promise.resolve(null);
    stdin.write(bytes);
    return new Promise(done => this.#outstanding.set(index, { sinceMs: performance.now(), done }));
  }

  /** It decodes what it was given, and ends. */
  finish(): void {
    this.#child.stdin!.end();
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #takeOutput(chunk: Buffer): void {
    this.#output = this.#output.length === 0 ? chunk : Buffer.concat([this.#output, chunk]);
    while (this.#output.length >= IMAGE_BYTES) {
      if (!this.#output.subarray(0, HEADER.length).equals(HEADER)) {
        this.kill();
        return;
      }
      this.#images.push(this.#output.subarray(HEADER.length, IMAGE_BYTES));
      this.#output = this.#output.subarray(IMAGE_BYTES);
    }
    this.#pair();
  }

  #takeSaid(text: string): void {
    const lines = (this.#said + text).split('\n');
    this.#said = lines.pop()!.slice(-SAID_CHARACTERS_MAX);
    for (const line of lines) {
      const seconds = /\bpts_time:\s*(\d+)/.exec(line)?.[1];
      if (seconds !== undefined) this.#indexes.push(Number(seconds));
    }
    this.#pair();
  }

  #pair(): void {
    while (this.#indexes.length > 0 && this.#images.length > 0) {
      const index = this.#indexes.shift()!;
      const image = this.#images.shift()!;
      for (const [before, { done }] of this.#outstanding) {
        if (before > index) break;
        this.#outstanding.delete(before);
        done(before === index ? image : null);
      }
    }
  }

  #giveUp(): void {
    this.#ended = true;
    for (const { done } of this.#outstanding.values()) done(null);
    this.#outstanding.clear();
  }
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, NICENESS);
  } catch {
    // It may be gone already, or not be allowed here: then it runs like everything else.
  }
}
