// Records until it is killed: `node crash-recorder.fixture.js DIR FIRST_SEGMENT FIRST_FRAGMENT [SERVER DEVICE [COUNT]]`. Prints the index of
// each fragment once it is readable, which is after it was made durable. Behind COUNT fragments it waits to be killed.
import { setImmediate } from 'node:timers/promises';
import type { DeviceId, RecordingServerId } from '@holdfast/schema';
import {
  camera1,
  collect,
  fragmentsOf,
  never,
  openTestDatabase,
  segmentIds,
  server1,
  testFragment,
  testInit,
} from './media-fixture.js';

const [dir, firstSegment, firstFragment, server, device, count] = process.argv.slice(2);
const endFragment = count === undefined ? Number.POSITIVE_INFINITY : Number(firstFragment) + Number(count);
const deviceId = (device ?? camera1) as DeviceId;
const database = await openTestDatabase(dir!, {
  newSegmentId: segmentIds(Number(firstSegment)),
  recordingServerId: (server ?? server1) as RecordingServerId,
  testLimits: { segmentMsMax: 10_000 },
});
database.beginRun({ deviceId, init: testInit(), cause: 'SERVER_STARTED' });
for (let index = Number(firstFragment); index < endFragment; index += 1) {
  const fragment = testFragment(index, { byteLength: 20_000 });
  database.append(deviceId, fragment);
  for (let isReadable = false; !isReadable; ) {
    const { fromMs, toMs } = fragment;
    const items = await collect(database.read({ deviceId, fromMs, toMs, signal: never }));
    isReadable = fragmentsOf(items).length > 0;
    await setImmediate();
  }
  process.stdout.write(`${index}\n`);
}
setInterval(() => undefined, 60_000);
