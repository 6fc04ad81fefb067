// A process of its own, because it limits the size of the files that it may write: `node own-log-no-room.fixture.js DIR CONFIGURATION
// BYTES`, with a database at DATABASE_URL. Runs a central that must not write a file beyond BYTES, as on a disk that is full, until
// it says why it is not ready; then without that limit until it is. Prints both as JSON.
import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { processTimers, type Timers } from '@holdfast/interconnect';
import { pino } from 'pino';
import { runCentral } from '../central.js';
import { CentralConfiguration } from '../configuration/central-configuration.js';

const [baseDirectory, given, bytes] = process.argv.slice(2) as [string, string, string];
const configuration = CentralConfiguration.parse(JSON.parse(given));

function limitFiles(bytes: string): void {
  const { status } = spawnSync('prlimit', ['--pid', String(process.pid), `--fsize=${bytes}:unlimited`]);
  if (status !== 0) throw new Error('the size of files cannot be limited');
}

async function readiness(): Promise<string> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${configuration.http.port}/readyz`).then(
      response => response.text(),
      () => null,
    );
    if (answer !== null) return answer;
    await delay(20);
  }
}

let nowMs = 0;
/** A minute passes in a moment. */
const fastTimers: Timers = { ...processTimers, after: (ms, task) => processTimers.after(ms / 1000, task) };
let readyCount = 0;
const stopped = new AbortController();
limitFiles(bytes);
const running = runCentral(
  {
    ...{ configuration, baseDirectory, monotonicMs: () => nowMs, timers: fastTimers },
    logger: pino({ level: process.env.LOG_LEVEL ?? 'silent' }, pino.destination(2)),
    onReady: () => {
      readyCount += 1;
      stopped.abort();
    },
    ...{ onChildKnown: () => undefined, onEnding: () => undefined },
  },
  stopped.signal,
);
const withoutRoom = await Promise.race([readiness(), running]);
console.log(JSON.stringify({ withoutRoom, readyCount }));
limitFiles('unlimited');
nowMs += 60_000;
await running;
console.log(JSON.stringify({ readyCount }));
