import { spawnSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openDatabase } from '@holdfast/central';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';

const test = suite('an outsider checks');

interface Verification {
  readonly proven: boolean;
  readonly replicas: readonly {
    readonly eventCount: number;
    readonly damages: readonly { readonly where: string; readonly code: string; readonly detail: string }[];
  }[];
  readonly comparisons: readonly { readonly where: readonly string[]; readonly difference: string | null }[];
}

async function verify(network: DemonstrationNetwork): Promise<{ code: number; report: Verification }> {
  const { code, output } = await network.command('verify', network.dataDirectory, '--json');
  return { code, report: JSON.parse(output) as Verification };
}

test('one event by a file, with public keys only, and then the whole network down to one flipped bit', async () => {
  await using network = await DemonstrationNetwork.create({ sites: 1 });
  const site = path.join(network.dataDirectory, 'site-1');
  const postgres = path.join(network.dataDirectory, 'central', 'postgres');
  // Beside a central and a site that run.
  await eventually('what is recorded is the same at the site and at the central', async () => {
    const { code, report } = await verify(network);
    return code === 0 && report.comparisons.length === 2;
  });
  await network.stop();

  const [line] = (await network.command('log', 'tail', site, '--lines', '1000')).output.split('\n');
  const event = JSON.parse(line!);
  const [proofFile, keyFile] = [path.join(site, 'one.tlog-proof'), path.join(site, 'site.keys')];
  const witnessKeyFile = path.join(site, 'central.keys');
  const central = path.join(network.dataDirectory, 'central');
  await writeFile(witnessKeyFile, (await network.command('log', 'keys', central)).output);
  const proved = await network.command('log', 'prove', site, '--event', event.id, '--to', proofFile);
  assert.is(proved.code, 0, proved.errors);
  await writeFile(keyFile, (await network.command('log', 'keys', site)).output);
  const check = (file: string, ...keys: readonly string[]) =>
    network.command('log', 'verify-proof', file, ...keys.flatMap(key => ['--key', key]));
  const said = await check(proofFile, keyFile, witnessKeyFile);
  assert.is(said.code, 0, said.output);
  assert.match(said.output, /^witnessed the \d+ events, by holdfast\/witness\//m);
  assert.match(
    said.output,
    `proven: ${event.type} (version ${event.version}) is at position ${event.position}`,
  );

  const proof = await readFile(proofFile, 'utf8');
  const altered = path.join(site, 'altered.tlog-proof');
  await writeFile(altered, proof.replace(/^index /m, 'index 1'));
  assert.is((await check(altered, keyFile)).code, 1);
  await writeFile(altered, 'no proof');
  assert.is((await check(altered, keyFile)).code, 1);
  assert.is((await check(path.join(site, 'missing'), keyFile)).code, 2);
  assert.is((await check(proofFile)).code, 2);
  const old = path.join(site, 'kept.txt');
  await writeFile(old, proof.slice(proof.indexOf('\n\n') + 2));
  const since = await network.command('log', 'prove', site, '--since', old, '--to', altered);
  assert.is(since.code, 0, since.errors);
  assert.is((await check(altered, keyFile)).code, 0);

  const pem = path.join(site, 'site.pem');
  const key = createPublicKey(await readFile(path.join(site, 'keys', 'log.key.pem')));
  await writeFile(pem, key.export({ type: 'spki', format: 'pem' }));
  const script = path.resolve(import.meta.dirname, '../../../scripts/check-proof.sh');
  const openssl = spawnSync('sh', [script, proofFile, pem]);
  assert.is(openssl.status, 0, String(openssl.stderr));

  const whole = await verify(network);
  assert.equal([whole.code, whole.report.proven], [0, true]);
  {
    await using database = await openDatabase({ directory: postgres, databaseUrl: null });
    await database.sql`
      update replica_event set data = set_byte(data, 3, get_byte(data, 3) # 4) where seq = (select max(seq) from replica_event)`;
  }
  const damaged = await verify(network);
  assert.equal([damaged.code, damaged.report.proven], [1, false]);
  const [found, ...more] = damaged.report.replicas.flatMap(({ damages }) => damages);
  assert.equal([found?.code, more.length], ['LEAF_HASH_MISMATCH', 0]);
});

test.run();
