// Records until it is killed: `node crash-recorder.fixture.js DIR FIRST_SEGMENT FIRST_FRAGMENT`. Prints the index of each
// fragment once it is readable, which is after it was made durable.
import { setImmediate } from 'node:timers/promises';
import {
  camera1,
  collect,
  fragmentsOf,
  never,
  openTestDatabase,
  segmentIds,
  testFragment,
  testInit,
} from './media-fixture.js';

const [dir, firstSegment, firstFragment] = process.argv.slice(2);
const database = await openTestDatabase(dir!, {
  newSegmentId: segmentIds(Number(firstSegment)),
  testLimits: { segmentMsMax: 10_000 },
});
database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
for (let index = Number(firstFragment); ; index += 1) {
  const fragment = testFragment(index, { byteLength: 20_000 });
  database.append(camera1, fragment);
  for (let isReadable = false; !isReadable; ) {
    const { fromMs, toMs } = fragment;
    const items = await collect(database.read({ deviceId: camera1, fromMs, toMs, signal: never }));
    isReadable = fragmentsOf(items).length > 0;
    await setImmediate();
  }
  process.stdout.write(`${index}\n`);
}
