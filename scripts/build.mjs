import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { node24 } from './node-24.mjs';

/**
 * Compiles every package and the console; turbo skips what has not changed. Says something only when it fails, and that
 * on standard error: `npm start -- --json` promises one line of JSON on standard output.
 */
export function build() {
  const node = node24();
  const result = spawnSync(
    node,
    ['node_modules/turbo/bin/turbo', 'run', 'compile', 'build', '--output-logs=errors-only'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 32 * 1024 * 1024,
      env: {
        ...process.env,
        PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}`,
        TURBO_TELEMETRY_DISABLED: '1',
        TURBO_NO_UPDATE_NOTIFIER: '1',
      },
    },
  );
  if (result.status !== 0) process.stderr.write(`${result.stdout}${result.stderr}${result.error ?? ''}\n`);
  return result.status ?? 1;
}

if (import.meta.url === `file://${process.argv[1]}`) process.exit(build());
