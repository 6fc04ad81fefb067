import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withClockOf } from './stepped-clock.js';

const test = suite('a clock that a benchmark steps');
const HOUR_MS = 3_600_000;
/** Far more than such a process lives. */
const TOLERANCE_MS = HOUR_MS / 2;

/** What a process and a thread of it take for now, by either way to ask. */
const program = `
  const { Worker } = require('node:worker_threads');
  const ask = 'require("node:worker_threads").parentPort.postMessage([Date.now(), new Date().getTime()])';
  new Worker(ask, { eval: true }).once('message', times =>
    console.log(JSON.stringify([...times, Date.now(), new Date().getTime(), new Date(5).getTime()])));`;

test('steps for the whole process, threads included, and is right without its file', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-clock-'));
  try {
    const file = path.join(folder, 'site.clock');
    const { env, execArgv } = withClockOf(file);
    for (const stepMs of [0, HOUR_MS, -HOUR_MS]) {
      if (stepMs !== 0) await writeFile(file, String(stepMs));
      const { stdout } = await promisify(execFile)(process.execPath, [...execArgv, '-e', program], { env });
      const times = JSON.parse(stdout) as number[];
      assert.is(times.pop(), 5, 'a time that is told stays as it is');
      assert.is(times.length, 4);
      for (const timeMs of times) {
        assert.ok(Math.abs(timeMs - stepMs - Date.now()) < TOLERANCE_MS, `${stepMs}: ${times}`);
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.run();
