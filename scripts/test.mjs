// npm test: build, lint, boundaries, then every test file. The last line is `N passed, N failed[, N skipped]`.
// npm test -- part-of-a-name …: the build and only the test files whose path contains one of the parts.
import { spawnSync } from 'node:child_process';
import { build } from './build.mjs';
import { node24, runOnNode24 } from './node-24.mjs';

const filters = process.argv.slice(2);
const packages = ['schema', 'protos', 'core', 'interconnect', 'sites', 'central', 'test'];
/** A lint that reports thousands of lines has said enough. */
const OUTPUT_BYTES_MAX = 32 * 1024 * 1024;

/** Runs a tool of the repository and shows what it said only when it complains. */
function isContent(file, args) {
  const result = spawnSync(node24(), [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (result.status !== 0) process.stdout.write(`${result.stdout}${result.stderr}${result.error ?? ''}\n`);
  return result.status === 0;
}

const checks = [
  ['build', () => build() === 0],
  ['lint', () => isContent('node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.'])],
  [
    'boundaries',
    () =>
      isContent('node_modules/dependency-cruiser/bin/dependency-cruiser.mjs', [
        ...['--config', '.dependency-cruiser.mjs'],
        ...packages,
      ]),
  ],
];

let failedCount = 0;
for (const [name, isOk] of checks) {
  if (filters.length > 0 && name !== 'build') continue;
  const started = Date.now();
  const ok = isOk();
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${Date.now() - started} ms)`);
  if (ok) continue;
  failedCount += 1;
  if (name === 'build') {
    // Tests of an older build would say nothing about this one.
    console.log('0 passed, 1 failed');
    process.exit(1);
  }
}

process.exitCode = runOnNode24(['test/runner/run.mjs', '--already-failed', String(failedCount), ...filters], {
  env: { ...process.env, HOLDFAST_NODE: node24() },
});
