// Finds every compiled test file, runs each in its own process, and ends with `N passed, N failed[, N skipped]`.
import { fork } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const packages = ['schema', 'protos', 'core', 'interconnect', 'sites', 'central', 'test'];
const root = path.resolve(import.meta.dirname, '../..');
const E2E_WORKERS = 3;
/** More than there are processors: what tests with cameras, at the pace of their pictures, mostly waits. */
const WORKERS = os.availableParallelism() + 2;
/** By parts of their names, the longest first, as measured: begun late, one of them would have all others wait for it. */
const LONGEST = [
  ...[
    'backbone-survives-kills',
    'link-cut-and-heal',
    'three-levels',
    'bus-ride',
    'console.e2e',
    'outlive-kills',
  ],
  ...[
    'region-is-restored',
    'start-and-stop',
    'outsider-checks',
    'own-log-repair',
    'projections.integration',
    'camera-transports',
  ],
  ...[
    'change-crash',
    'camera-session',
    'onvif-driver',
    'mjpeg-driver',
    'log-as-of',
    'kurrent-site-log-crash',
  ],
];
/** Keeps all processors busy for as long as it is given: beside others it would take their time, and measure them. */
const ALONE = 'test/dist/simulation/';
/** Each file loads much the same modules in a process of its own: what compiling them costs is paid once. As in central/bin/holdfast.mjs. */
const env = { ...process.env, NODE_COMPILE_CACHE: path.join(root, 'node_modules/.cache/holdfast') };
/** A unit file takes milliseconds; real databases and processes may take minutes where the machine is slow and does much else. */
const fileLimitMs = { unit: 60_000, integration: 300_000, e2e: 300_000 };

const args = process.argv.slice(2);
const alreadyFailedAt = args.indexOf('--already-failed');
const totals = {
  passed: 0,
  failed: alreadyFailedAt < 0 ? 0 : Number(args.splice(alreadyFailedAt, 2)[1]),
  skipped: 0,
};

const kindOf = file =>
  /\.e2e\.test\.js$/.test(file) ? 'e2e' : /\.integration\.test\.js$/.test(file) ? 'integration' : 'unit';

/** What was compiled from a source that is there; the compiler leaves behind the output of those that are gone. */
function compiledTests(name) {
  const dist = path.join(root, name, 'dist');
  return readdirSync(dist, { recursive: true })
    .map(String)
    .filter(file => /\.test\.js$/.test(file))
    .filter(file => existsSync(path.join(root, name, file.replace(/\.js$/, '.ts'))))
    .map(file => path.join(dist, file));
}

/** The console is bundled, not compiled: what of it needs no browser runs as it is written, without its types. */
function consoleTests() {
  const source = path.join(root, 'central/console/src');
  return readdirSync(source, { recursive: true })
    .map(String)
    .filter(file => /\.test\.ts$/.test(file))
    .map(file => path.join(source, file));
}

const files = [...packages.flatMap(compiledTests), ...consoleTests()]
  .filter(file => args.length === 0 || args.some(part => file.includes(part)))
  .sort()
  .sort((one, other) => lengthRank(one) - lengthRank(other));
const isAlone = file => path.relative(root, file).startsWith(path.normalize(ALONE));
const queue = [
  ...files.filter(file => kindOf(file) === 'integration' && !isAlone(file)),
  ...files.filter(file => kindOf(file) === 'unit'),
];

function lengthRank(file) {
  const rank = LONGEST.findIndex(part => file.includes(part));
  return rank < 0 ? LONGEST.length : rank;
}

if (files.length === 0) {
  console.log(`no test file matches ${args.join(' ') || '*'}`);
  totals.failed += 1;
}

const running = new Set();

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It is empty already.
  }
}

for (const signal of ['SIGINT', 'SIGTERM'])
  process.on(signal, () => {
    for (const pid of running) endGroup(pid);
    process.exit(1);
  });

function runFile(file) {
  return new Promise(resolve => {
    const started = Date.now();
    const output = [];
    let report;
    const child = fork(path.join(import.meta.dirname, 'worker.mjs'), [file], {
      cwd: root,
      env,
      execArgv: ['--enable-source-maps', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A process group of its own, so that what a test leaves behind can be ended with it.
      detached: true,
    });
    running.add(child.pid);
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => output.push(chunk));
    const limitMs = fileLimitMs[kindOf(file)];
    const watchdog = setTimeout(() => {
      report = { passed: 0, failed: 1, skipped: 0, errors: [`timed out after ${limitMs} ms`] };
      endGroup(child.pid);
    }, limitMs);
    // A process left behind holds our pipes open: 'close' comes only when it is gone.
    child.on('exit', () => endGroup(child.pid));
    child.on('message', message => {
      report ??= message;
    });
    child.on('close', code => {
      clearTimeout(watchdog);
      running.delete(child.pid);
      report ??= { passed: 0, failed: 1, skipped: 0, errors: [`crashed with exit code ${code}`] };
      if (code !== 0 && report.failed === 0) report.failed = 1;
      totals.passed += report.passed;
      totals.failed += report.failed;
      totals.skipped += report.skipped;
      const name = path
        .relative(root, file)
        .replace('/dist/', '/')
        .replace(/\.[jt]s$/, '');
      console.log(
        `${report.failed ? 'FAIL' : 'ok  '} ${name} (${report.passed} passed, ${Date.now() - started} ms)`,
      );
      if (report.failed > 0) console.log([Buffer.concat(output).toString(), ...report.errors].join('\n'));
      else
        for (const line of Buffer.concat(output).toString().split('\n'))
          if (/^(skipped|measured):/.test(line)) console.log(`     ${line}`);
      resolve();
    });
  });
}

async function drain(queue, workers) {
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (let file = queue.shift(); file !== undefined; file = queue.shift()) await runFile(file);
    }),
  );
}

const started = Date.now();
// End-to-end stories start many processes of their own, and mostly wait for what takes its time: by themselves, three at once.
await drain(queue, WORKERS);
await drain(files.filter(isAlone), 1);
await drain(
  files.filter(file => kindOf(file) === 'e2e'),
  E2E_WORKERS,
);

console.log(`${files.length} files in ${Math.round((Date.now() - started) / 1000)} s`);
console.log(
  `${totals.passed} passed, ${totals.failed} failed${totals.skipped > 0 ? `, ${totals.skipped} skipped` : ''}`,
);
process.exitCode = totals.failed > 0 ? 1 : 0;
