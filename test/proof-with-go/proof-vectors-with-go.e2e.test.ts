import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { skipByName } from '../kafka/skip-by-name.js';

const test = suite('proof vectors with Go');
const root = path.resolve(import.meta.dirname, '../../..');
const directory = path.join(root, 'core/log/vectors');

/** Together less than the runner gives a story. */
const FETCH_MS_MAX = 40_000;
/** The first build on a machine compiles a hundred of Go's own packages: half a minute of processor time, of which a busy machine has little. */
const BUILD_MS_MAX = 220_000;
/** It takes some milliseconds. */
const RUN_MS_MAX = 20_000;

function go(words: readonly string[], timeout: number) {
  return spawnSync('go', words, { cwd: path.join(root, 'test/proof-with-go'), timeout });
}

/** Null, or why Go cannot check them here. */
function missingGo(): string | null {
  const { error, status, stderr } = go(['mod', 'download'], FETCH_MS_MAX);
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return 'it is not on the PATH';
  if (status === 0) return null;
  return `its modules cannot be fetched (${error?.message ?? String(stderr).trim().slice(0, 200)})`;
}

const missing = missingGo();
if (missing === null) {
  test("are what Go's sumdb/note and sumdb/tlog say, too", () => {
    const output = mkdtempSync(path.join(tmpdir(), 'holdfast-proof-with-go-'));
    try {
      const program = path.join(output, process.platform === 'win32' ? 'check.exe' : 'check');
      const built = go(['build', '-o', program, '.'], BUILD_MS_MAX);
      assert.is(built.status, 0, `go build: ${built.error?.message ?? built.stderr}`);
      const ran = spawnSync(program, [directory], { timeout: RUN_MS_MAX });
      assert.is(ran.status, 0, `${ran.error?.message ?? ''}${ran.stdout}${ran.stderr}`);
      const { leaves, cases } = JSON.parse(readFileSync(path.join(directory, 'vectors.json'), 'utf8')) as {
        readonly leaves: readonly unknown[];
        readonly cases: readonly unknown[];
      };
      assert.is(String(ran.stdout), `${leaves.length} leaves, ${cases.length} cases, 0 failed\n`);
    } finally {
      rmSync(output, { recursive: true });
    }
  });
} else {
  skipByName(`proof vectors with Go: ${missing}`);
}

test.run();
