// Moves every segment to an archive and back until it is killed: `node crash-mover.fixture.js DIR ARCHIVE [ACCESS]`. Prints a line
// per move. ACCESS: of an object store, as JSON.
import { setTimeout as delay } from 'node:timers/promises';
import { camera1, never, openTestDatabase } from './media-fixture.js';
import { OWN_STAGE } from './stage-directories.js';

const [dir, archive, access] = process.argv.slice(2);
const objectStores = access === undefined ? [] : [JSON.parse(access)];
const database = await openTestDatabase(dir!, { stages: [archive!], objectStores });
for (;;) {
  for (const [from, toStage] of [
    [OWN_STAGE, archive!],
    [archive!, OWN_STAGE],
  ] as const) {
    const segments = database.oldestIn({ stage: from, deviceId: camera1, after: null, limit: 100 });
    for (const { segment } of segments) {
      const { moved } = await database.moveSegment({ segmentId: segment.segmentId, toStage, signal: never });
      process.stdout.write(`${moved}\n`);
    }
  }
  await delay(0);
}
