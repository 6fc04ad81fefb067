import { sqlMigrations } from '@holdfast/schema/sql';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('SQL migrations');

test('are numbered without a gap and without two of one number, of which one would never be applied', async () => {
  const migrations = await sqlMigrations();
  assert.equal(
    migrations.map(({ number }) => number),
    migrations.map((_, index) => index + 1),
  );
});

test.run();
