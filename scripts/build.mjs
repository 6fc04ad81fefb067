import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { node24 } from './node-24.mjs';

/** Compiles every package and the console; turbo skips what has not changed. Output goes to standard error. */
export function build() {
  const node = node24();
  const result = spawnSync(
    node,
    ['node_modules/turbo/bin/turbo', 'run', 'compile', 'build', '--output-logs=errors-only'],
    {
      stdio: ['ignore', process.stderr.fd, process.stderr.fd],
      env: {
        ...process.env,
        PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}`,
        TURBO_TELEMETRY_DISABLED: '1',
        TURBO_NO_UPDATE_NOTIFIER: '1',
      },
    },
  );
  return result.status ?? 1;
}

if (import.meta.url === `file://${process.argv[1]}`) process.exit(build());
