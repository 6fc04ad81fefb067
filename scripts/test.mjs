// npm test: build, lint, boundaries, then every test file. The last line is `N passed, N failed[, N skipped]`.
import { spawnSync } from 'node:child_process';
import { build } from './build.mjs';
import { node24, runOnNode24 } from './node-24.mjs';

const filters = process.argv.slice(2);
const checks = [
  ['build', () => build()],
  [
    'lint',
    () =>
      spawnSync('node_modules/.bin/biome', ['check', '--error-on-warnings', '.'], { stdio: 'inherit' })
        .status ?? 1,
  ],
  [
    'boundaries',
    () =>
      runOnNode24([
        'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
        ...['--config', '.dependency-cruiser.mjs'],
        ...['schema', 'protos', 'core', 'interconnect', 'sites', 'central', 'test'],
      ]),
  ],
];

const failedChecks = [];
for (const [name, run] of checks) {
  if (filters.length > 0 && name !== 'build') continue;
  const started = Date.now();
  const ok = run() === 0;
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${Date.now() - started} ms)`);
  if (!ok) failedChecks.push(name);
  if (name === 'build' && !ok) break;
}

if (failedChecks.includes('build')) {
  console.log('0 passed, 1 failed');
  process.exit(1);
}
const status = runOnNode24(
  ['test/runner/run.mjs', '--already-failed', String(failedChecks.length), ...filters],
  {
    env: { ...process.env, HOLDFAST_NODE: node24() },
  },
);
process.exit(status);
