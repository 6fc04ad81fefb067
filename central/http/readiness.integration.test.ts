import { readFile, writeFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCentralFixture } from './central-http.fixture.js';

const test = suite('whether a central is ready');

test('is said with why: the database lets nobody in any more whose password was changed', async () => {
  await using central = await openCentralFixture();
  const { sql } = central.database;
  const ready = () => fetch(`http://${central.origin}/readyz`);
  assert.is((await ready()).status, 200);
  const [found] = await sql<{ hbaFile: string }[]>`select current_setting('hba_file') as hba_file`;
  const { hbaFile } = found!;
  const trusting = await readFile(hbaFile, 'utf8');
  await writeFile(hbaFile, 'local all all scram-sha-256\n');
  try {
    await sql`alter role holdfast password 'another one'`;
    await sql`select pg_reload_conf()`;
    // Connections that are open stay so; the pool begins others sooner or later. The server reads its file a moment later.
    let said = '';
    for (const deadline = Date.now() + 30_000; !said.includes('let us in'); ) {
      assert.ok(Date.now() < deadline, said);
      await sql`
        select pg_terminate_backend(pid) from pg_stat_activity where usename = 'holdfast'
        order by pid = pg_backend_pid()`.catch(() => undefined);
      const response = await ready();
      said = `${response.status} ${await response.text()}`;
    }
    const { reason } = JSON.parse(said.slice(4)) as { readonly reason: string };
    assert.match(said, /^503 /);
    assert.match(
      reason,
      /^the database does not let us in: password authentication failed for user "holdfast"/,
    );
  } finally {
    await writeFile(hbaFile, trusting);
  }
});

test.run();
