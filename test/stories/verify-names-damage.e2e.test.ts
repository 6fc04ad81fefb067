import { open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';

const test = suite('verify names damage');

interface Verification {
  readonly proven: boolean;
  readonly sites: readonly {
    readonly directory: string;
    readonly segmentCount: number;
    readonly damages: readonly { readonly where: string; readonly code: string; readonly detail: string }[];
  }[];
}

async function verify(network: DemonstrationNetwork): Promise<{ code: number; report: Verification }> {
  const { code, output } = await network.command('verify', network.dataDirectory, '--json');
  return { code, report: JSON.parse(output) as Verification };
}

/** Flips one bit in the middle of a file. */
async function damage(file: string): Promise<void> {
  await using handle = await open(file, 'r+');
  const middle = Math.floor((await handle.stat()).size / 2);
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, middle);
  byte[0] = byte[0]! ^ 0x10;
  await handle.write(byte, 0, 1, middle);
}

test('one bit of one recording, and it is that recording that is named', async () => {
  await using network = await DemonstrationNetwork.create({ sites: 1 });
  await eventually('recordings are sealed and told', async () => {
    const { report } = await verify(network);
    return report.sites.some(site => site.segmentCount >= 2);
  });
  await network.stop();
  const before = await verify(network);
  assert.equal([before.code, before.report.proven], [0, true]);

  const media = path.join(network.dataDirectory, 'site-1', 'media');
  const files = (await readdir(media, { recursive: true })).filter(file => /[0-9a-f-]{36}\.mp4$/.test(file));
  const damaged = files[0]!;
  await damage(path.join(media, damaged));

  const after = await verify(network);
  assert.equal([after.code, after.report.proven], [1, false]);
  const found = after.report.sites.flatMap(site => site.damages);
  assert.is(found.length, 1);
  assert.match(found[0]!.where, damaged.split(path.sep)[0]!);
  assert.match(found[0]!.detail, path.basename(damaged, '.mp4').slice(-36));
});

test.run();
