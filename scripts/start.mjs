import { spawn } from 'node:child_process';
import { build } from './build.mjs';
import { node24 } from './node-24.mjs';

const built = build();
if (built !== 0) process.exit(built);

const child = spawn(
  node24(),
  [
    '--disable-warning=ExperimentalWarning',
    'central/bin/holdfast.mjs',
    'demonstration',
    ...process.argv.slice(2),
  ],
  // By the channel it hears that this process was killed, and ends too.
  { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] },
);
// Ctrl-C reaches the child by itself; npm's own SIGTERM must be passed on.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
