#!/usr/bin/env node
// Chooses the Node.js to run on, and nothing else; the program is dist/cli/holdfast.js.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import { node24 } from '../../scripts/node-24.mjs';

// GraphQL, among others, checks more than it has to where this is not said.
process.env.NODE_ENV ??= 'production';

// Each file that is read or written has a thread for that time. Of four, as there are else, a network folder that hangs takes all,
// and recordings wait. Where it is said otherwise, that counts.
process.env.UV_THREADPOOL_SIZE ??= '16';

const program = new URL('../dist/cli/holdfast.js', import.meta.url);
if (!existsSync(program)) {
  process.stderr.write('holdfast: not built yet; run `npm run build` in the project folder first\n');
  process.exit(2);
}
if (node24() === process.execPath) {
  // A quarter of what a start costs is compiling what was compiled before. In our own folder, where nobody else can put anything;
  // where that cannot be written to, everything is compiled as ever.
  module.enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/holdfast', import.meta.url)));
  await import(program.href);
} else {
  // By the channel it hears that this process was killed, and ends too: who starts it again would find its folder in use.
  const child = spawn(node24(), [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}
