import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';

/** Enough for a slow machine to start ffmpeg. */
const probeTimeoutMs = 10_000;
const stderrBytesMax = 4096;

export type FfmpegProbe =
  | { readonly found: true; readonly command: string }
  | { readonly found: false; readonly detail: string };

/** `FFMPEG_BIN`, else the package `ffmpeg-static`, else `ffmpeg` on the PATH: in the order in which they are tried. */
export function ffmpegCandidates(ffmpegBin: string | null): readonly string[] {
  return [ffmpegBin, ffmpegStatic(), 'ffmpeg'].filter(
    command => command !== null && command !== '',
  ) as string[];
}

/** The first that runs. */
export async function probeFfmpeg(candidates: readonly string[]): Promise<FfmpegProbe> {
  const tried: string[] = [];
  for (const command of candidates) {
    const run = await runFfmpeg({
      command,
      args: ['-hide_banner', '-version'],
      input: Buffer.alloc(0),
      outputBytesMax: 64 * 1024,
      signal: AbortSignal.timeout(probeTimeoutMs),
    });
    if (run.done) return { found: true, command };
    tried.push(`${command}: ${run.detail}`);
  }
  return {
    found: false,
    detail: `no ffmpeg runs here (${tried.join('; ')}): install ffmpeg, or set FFMPEG_BIN to its path`,
  };
}

export type FfmpegRun =
  | { readonly done: true; readonly output: Buffer }
  | { readonly done: false; readonly detail: string };

/** One run of ffmpeg in a process of its own, fed from memory. Killed when the signal aborts. */
export function runFfmpeg(options: {
  readonly command: string;
  readonly args: readonly string[];
  readonly input: Uint8Array;
  readonly outputBytesMax: number;
  readonly signal: AbortSignal;
}): Promise<FfmpegRun> {
  const { command, args, input, outputBytesMax, signal } = options;
  if (signal.aborted) return Promise.resolve({ done: false, detail: 'stopped before it began' });
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], signal, killSignal: 'SIGKILL' });
    const output: Buffer[] = [];
    let outputBytes = 0;
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      outputBytes += chunk.length;
      if (outputBytes <= outputBytesMax) output.push(chunk);
      else child.kill('SIGKILL');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString('utf8')).slice(-stderrBytesMax);
    });
    // It may stop reading once it has its picture.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    let failure: string | null = null;
    child.on('error', error => {
      failure = signal.aborted ? 'it took too long, or was not wanted any more' : error.message;
      if (child.pid === undefined) resolve({ done: false, detail: failure });
    });
    child.on('close', code => {
      if (failure === null && code === 0) resolve({ done: true, output: Buffer.concat(output) });
      else resolve({ done: false, detail: failure ?? (said.trim() || `it ended with exit code ${code}`) });
    });
  });
}

/** The path that the optional package names; whether there is a file that runs is another question. */
function ffmpegStatic(): string | null {
  try {
    return createRequire(import.meta.url)('ffmpeg-static') as string | null;
  } catch {
    return null;
  }
}
