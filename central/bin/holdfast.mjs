#!/usr/bin/env node
// Chooses the Node.js to run on, and nothing else; the program is dist/cli/holdfast.js.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { node24 } from '../../scripts/node-24.mjs';

// GraphQL, among others, checks more than it has to where this is not said.
process.env.NODE_ENV ??= 'production';

const program = new URL('../dist/cli/holdfast.js', import.meta.url);
if (!existsSync(program)) {
  process.stderr.write('holdfast: not built yet; run `npm run build` in the project folder first\n');
  process.exit(2);
}
if (node24() === process.execPath) {
  await import(program.href);
} else {
  const child = spawn(node24(), [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}
