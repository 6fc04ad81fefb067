// On a small file system that is really full: `node dropped-on-full-disk.fixture.js DIR`. A group of pictures that finds no room is
// dropped because recording is halted, while the next one, which finds room, waits behind it already. Prints the gaps as JSON.
import { setTimeout as delay } from 'node:timers/promises';
import type { RecordingGap } from '@holdfast/schema';
import { camera1, openTestDatabase, testFragment, testInit } from './media-fixture.js';
import { OWN_STAGE } from './stage-directories.js';

const LARGE_BYTES = 12_000_000;

async function gapsBehind(dir: string, segmentBytesMax: number) {
  await using database = await openTestDatabase(dir, { testLimits: { segmentBytesMax } });
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  database.append(camera1, testFragment(0));
  while (database.openSpan(camera1) === null) await delay(1);
  database.append(camera1, testFragment(1, { byteLength: LARGE_BYTES }));
  database.append(camera1, testFragment(2));
  while (database.observed.failures.length === 0) await delay(1);
  await database.halt(new Map([[OWN_STAGE, 'DISK_FULL']]));
  database.unhalt();
  database.append(camera1, testFragment(3));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  const gaps: RecordingGap[] = [];
  const spans: number[] = [];
  database.reportSealed(report => {
    gaps.push(...report.gaps);
    spans.push(...report.segments.map(({ fromMs }) => fromMs));
    return [];
  });
  const groupOf = (ms: number) => (ms - testFragment(0).fromMs) / 2000;
  return {
    dropped: database.observed.dropped.map(({ cause }) => cause),
    codes: [...new Set(database.observed.failures.map(({ code }) => code))],
    begins: spans.map(groupOf),
    gaps: gaps.map(({ fromMs, toMs, cause }) => [groupOf(fromMs), groupOf(toMs), cause]),
  };
}

const dir = process.argv[2]!;
console.log(
  JSON.stringify({
    // The segment before goes on, or is so full that the group was to begin one of its own.
    goingOn: await gapsBehind(`${dir}/going-on`, 100_000_000),
    full: await gapsBehind(`${dir}/full`, 10_000),
  }),
);
