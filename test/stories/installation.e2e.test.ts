import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openSimulatedCameras } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../network/demonstration-network.js';
import { freePort, holdfast, program, signIn } from '../network/installation-by-hand.js';

const test = suite('an installation made by hand');

class Processes implements AsyncDisposable {
  readonly #children: ChildProcess[] = [];

  start(...args: readonly string[]): void {
    this.#children.push(
      spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'inherit'] }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      this.#children.map(async child => {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      }),
    );
  }
}

test('init, the printed steps, run: a site with its camera reports to its central', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-install-'));
  try {
    const [central, site] = [path.join(folder, 'central'), path.join(folder, 'branch')];
    const [httpPort, listenPort] = [await freePort(), await freePort()];
    await holdfast('init', central);
    const centralFile = path.join(central, 'central.yaml');
    const ports = (await readFile(centralFile, 'utf8'))
      .replace('port: 8080', `port: ${httpPort}`)
      .replace('port: 9000', `port: ${listenPort}`);
    await writeFile(centralFile, ports);
    const made = await holdfast('init', site, '--site', 'Branch', '--central', central);
    assert.is(made.code, 0);
    const child = made.output.match(/( {2}- id: [\s\S]*?\.pem)\n/)?.[1];
    await writeFile(centralFile, ports.replace('children: []', `children:\n${child}`));

    await using camera = await openSimulatedCameras({
      port: 0,
      cameras: [{ path: 'door', clip: 'entrance' }],
    });
    const siteFile = path.join(site, 'site.yaml');
    const text = await readFile(siteFile, 'utf8');
    const recordingServer = /- id: (\S+)/.exec(text)![1];
    await writeFile(siteFile, text.replace('cameras: []', 'cameras:'));
    await appendFile(
      siteFile,
      `  - hardwareId: 018f0000-0000-7000-8000-00000000000a
    name: Door
    address: rtsp://127.0.0.1:${camera.port}/door
    recordingServer: ${recordingServer}
`,
    );
    for (const file of [centralFile, siteFile]) assert.is((await holdfast('check', file)).code, 0);

    await using processes = new Processes();
    processes.start('run', centralFile);
    processes.start('run', siteFile);
    const token = await eventually('the central signs in', () => signIn(central, httpPort));
    const device = await eventually('the site and its camera are known, and connected', async () => {
      const response = await fetch(`http://127.0.0.1:${httpPort}/graphql`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({
          query:
            '{ devices(type: CAMERA, first: 5) { edges { node { name site { name link { state } } hardware { connection } } } } }',
        }),
      });
      const { data } = (await response.json()) as {
        data: {
          devices: {
            edges: { node: { name: string; site: { name: string }; hardware: { connection: string } } }[];
          };
        };
      };
      const node = data.devices.edges[0]?.node;
      return node?.hardware.connection === 'CONNECTED' && node;
    });
    assert.equal([device.name, device.site.name], ['Door', 'Branch']);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
