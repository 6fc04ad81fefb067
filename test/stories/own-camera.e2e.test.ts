import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { openSimulatedCameras } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';

const test = suite('a camera of the user');
const password = 'correct-horse-battery';

interface HardwareView {
  readonly name: string;
  readonly hardware: {
    readonly connection: string;
    readonly connectionDetail: string | null;
    readonly address: string;
  };
}

async function cameras(network: DemonstrationNetwork): Promise<readonly HardwareView[]> {
  const { devices } = await network.query<{ devices: { edges: readonly { node: HardwareView }[] } }>(
    '{ devices(type: CAMERA, first: 20) { edges { node { name hardware { connection connectionDetail address } } } } }',
  );
  return devices.edges.map(edge => edge.node);
}

test('it is recorded with its password, which nobody but its site can read; one that refuses says why, the others go on', async () => {
  await using own = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'door', clip: 'corridor' }],
    credentials: { userName: 'viewer', password },
  });
  await using network = await DemonstrationNetwork.create({
    sites: 1,
    cameraUrls: [
      `rtsp://viewer:${password}@127.0.0.1:${own.port}/door`,
      `rtsp://viewer:wrong-word@127.0.0.1:${own.port}/door`,
    ],
  });
  const [connected, refused] = await eventually('one is connected and the other is refused', async () => {
    const ours = (await cameras(network)).filter(({ hardware }) =>
      hardware.address.includes(`:${own.port}/`),
    );
    const byState = (state: string) => ours.find(({ hardware }) => hardware.connection === state);
    const [good, bad] = [byState('CONNECTED'), byState('LOST')];
    return good && bad && ([good, bad] as const);
  });
  assert.is(
    connected.hardware.address,
    `rtsp://127.0.0.1:${own.port}/door`,
    'the address is shown without the password',
  );
  assert.ok(refused.hardware.connectionDetail, 'the reason is shown in words');

  for (const folder of ['central', 'site-1']) {
    const log = await network.command(
      'log',
      'tail',
      path.join(network.dataDirectory, folder),
      '--lines',
      '1000',
    );
    assert.is(log.code, 0, log.errors);
    assert.not.match(log.output, password);
  }
  assert.not.match(network.output, password);
  assert.is(await filesWith(network.dataDirectory, password), 'demonstration.json site-1/site.yaml');
});

/** The files below a folder that hold a text, in order. */
async function filesWith(folder: string, text: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const found = await Promise.all(
    entries
      .filter(entry => entry.isFile())
      .map(async entry => {
        const file = path.join(entry.parentPath, entry.name);
        const content = await readFile(file).catch(() => Buffer.alloc(0));
        return content.includes(text) ? [path.relative(folder, file)] : [];
      }),
  );
  return found.flat().sort().join(' ');
}

test.run();
