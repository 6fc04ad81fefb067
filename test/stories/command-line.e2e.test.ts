import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../network/demonstration-network.js';

const test = suite('the command line');
const program = path.resolve(import.meta.dirname, '../../../central/bin/holdfast.mjs');

function holdfast(...args: readonly string[]) {
  return new Promise<{ code: number; output: string; errors: string }>(resolve => {
    execFile(process.execPath, [program, ...args], (error, output, errors) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, output, errors });
    });
  });
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-cli-'));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a configuration that init wrote is valid, also when its key is renewed, and nothing is ever overwritten', () =>
  inFolder(async folder => {
    const target = path.join(folder, 'new');
    const made = await holdfast('init', target);
    assert.is(made.code, 0, made.errors);
    const checked = await holdfast('check', path.join(target, 'central.yaml'));
    assert.is(checked.code, 0, checked.errors);
    assert.is((await holdfast('init', target)).code, 2);
    const file = path.join(target, 'central.yaml');
    await writeFile(path.join(target, 'credentials', 'server.key.pem'), 'nothing');
    const unkeyed = await holdfast('check', file);
    assert.is(unkeyed.code, 2);
    assert.match(unkeyed.errors, /central\.yaml:\d+:\d+: credentials: .*key\.pem: expected a private key/);
    const renewed = await holdfast('renew', file, '--central', target);
    assert.is(renewed.code, 0, renewed.errors);
    assert.is((await holdfast('check', file)).code, 0);
    // As of a disk that is not mounted: another site, with another log, would begin on the one beneath.
    await rename(path.join(target, 'data'), path.join(target, 'elsewhere'));
    const away = await holdfast('run', file);
    assert.is(away.code, 1);
    assert.match(away.errors, 'LOG_KEY_MISSING');
    assert.not(existsSync(path.join(target, 'data')));
  }));

test('who kills the process that they started has ended the site, also where an older Node.js had to start another one', () =>
  inFolder(async folder => {
    const [central, site] = [path.join(folder, 'central'), path.join(folder, 'site')];
    await holdfast('init', central);
    await holdfast('init', site, '--site', 'Branch', '--central', central);
    const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.0.0' } })`;
    const start = () =>
      spawn(
        process.execPath,
        ['--import', `data:text/javascript,${older}`, program, 'run', path.join(site, 'site.yaml')],
        { stdio: ['ignore', 'ignore', 'pipe'] },
      );
    const killed = start();
    await once(killed.stderr, 'data');
    await eventually('the site runs', async () => existsSync(path.join(site, 'data', 'log')));
    killed.kill('SIGKILL');
    await eventually('nobody writes its log any more', async () => {
      const next = start();
      let said = '';
      next.stderr.on('data', chunk => {
        said += chunk;
      });
      const ended = once(next, 'close');
      await eventually('it runs or is refused', async () => /site runs|IN_USE/.test(said));
      next.kill('SIGTERM');
      await ended;
      return said.includes('site runs');
    });
  }));

test('a wrong configuration: the line, what was expected, exit 2, for check and for run', () =>
  inFolder(async folder => {
    const target = path.join(folder, 'new');
    await holdfast('init', target);
    const file = path.join(target, 'central.yaml');
    const text = (await readFile(file, 'utf8')).replace('port: 8080', 'port: eighty');
    await writeFile(file, text);
    const line = text.split('\n').findIndex(content => content.includes('eighty')) + 1;
    for (const command of ['check', 'run']) {
      const refused = await holdfast(command, file);
      assert.is(refused.code, 2);
      assert.match(refused.errors, `${file}:${line}:`);
      assert.match(refused.errors, 'expected a port number');
    }
  }));

test('nothing that a proof says steers the terminal of who checks it', () =>
  inFolder(async folder => {
    const [proof, key] = [path.join(folder, 'proof'), path.join(folder, 'key')];
    await writeFile(proof, 'c2sp.org/tlog-proof@v1\nextra AAEAe30=\nindex \u001b[2Jproven\n\nx\n');
    await writeFile(key, `${'A'.repeat(43)}=\n`);
    const refused = await holdfast('log', 'verify-proof', proof, '--key', key);
    assert.is(refused.code, 1, refused.errors);
    assert.match(refused.output, 'index \\x1b[2Jproven');
  }));

test('wrong use is exit 2 and says what would be right', async () => {
  for (const [args, expected] of [
    [['dance'], 'unknown command'],
    [['check'], 'missing required argument'],
    [['init', '/nonexistent/x', '--site', ' ', '--central', '/nonexistent'], 'without a name'],
    [['bench', 'dance'], 'append'],
    [['demonstration', '--port', 'eighty'], 'expected 0 to 65535'],
    [['demonstration', '--segment-seconds', '1'], 'expected 3 to 60'],
    [['demonstration', '--camera', 'http://camera'], 'expected rtsp://'],
    [['log', 'tail', '/nonexistent'], 'data directory of one site'],
    [['log', 'verify-proof', '/nonexistent', '--key', program], `--key ${program}: not a verifier key`],
    [['log', 'verify-proof', program, '--key', '/nonexistent'], '/nonexistent: cannot be read: no such file'],
    [['log', 'verify-proof', program, '--key', '/dev/zero'], '/dev/zero: at most 65536 bytes'],
    [['discover', '--from', '192.0.2.1'], 'no interface has this address; there are '],
    [['bench', 'ingest', '--cameras', '-4'], 'expected a number above 0'],
    [['bench', 'retrieve', '--trace', program], `--trace ${program}: line 1`],
    [['verify', '/nonexistent'], 'no data directory there: no such file'],
    [['link', 'cut', 'x', '--data', '/nonexistent'], '--data DIR'],
  ] as const) {
    const refused = await holdfast(...args);
    assert.is(refused.code, 2, `${args.join(' ')}: ${refused.errors}`);
    assert.match(refused.errors, expected);
  }
});

test.run();
