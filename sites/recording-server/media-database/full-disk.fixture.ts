// Run in a mount namespace of its own, on a small file system that is really full: `node full-disk.fixture.js DIR`. Records
// until the disk takes no more, deletes the oldest segment, and goes on. Prints what happened as JSON.
import { appendFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MediaDatabase } from './media-database.js';
import {
  camera1,
  collect,
  fragmentsOf,
  never,
  openTestDatabase,
  testFragment,
  testInit,
} from './media-fixture.js';

const dir = process.argv[2];
const always = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const database = await openTestDatabase(dir!, {
  testLimits: { segmentBytesMax: 1_000_000 },
});
const segments = (of: MediaDatabase) => of.segments({ ...always, after: null, limit: 1000 });

database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
let appended = 0;
const append = () => database.append(camera1, testFragment(appended++, { byteLength: 100_000 }));
while (database.observed.failures.length === 0) {
  append();
  // One at a time: what waits when the disk is full must fit into what is freed.
  while (database.observed.writtenCount < appended && database.observed.failures.length === 0) await delay(1);
}
const heldWhenFull = segments(database).length;
fillTheRest();
await database.markDeleted({
  segmentIds: segments(database)
    .slice(0, 3)
    .map(({ segment }) => segment.segmentId),
  policy: 'DISK_FULL',
  compose: () => [],
});
const ballastWasThrownOff = !existsSync(path.join(dir!, 'ballast'));
await database.collectGarbage();
database.retryWrites();
for (let more = 0; more < 5; more += 1) append();
await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });

const played = fragmentsOf(await collect(database.read({ ...always, signal: never })));
const damages = await collect(database.verify({ signal: never }));
const deletedCount = 3 * segments(database)[0]!.segment.fragmentCount;
console.log(
  JSON.stringify({
    codes: [...new Set(database.observed.failures.map(failure => failure.code))],
    heldWhenFull,
    missing: appended - deletedCount - played.length,
    dropped: database.observed.dropped.length,
    damages: damages.length,
    ballastWasThrownOff,
    spans: database.spans(always).length,
  }),
);
await database[Symbol.asyncDispose]();

/** Somebody else takes what is left, down to the last page: not even SQLite can write now. */
function fillTheRest(): void {
  for (;;) {
    try {
      appendFileSync(path.join(dir!, 'filler'), Buffer.alloc(4096, 1));
    } catch {
      return;
    }
  }
}
