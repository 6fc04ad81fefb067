import { mkdtempDisposable, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { actorOfUser } from '@holdfast/core';
import { isSealed, type SiteId, Subject } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { generateSealingKey } from '../credentials/sealed-credentials.js';
import { ERASED_TEXT, FOREIGN_TEXT, SubjectKeys } from './subject-keys.js';

const test = suite('subject keys');
const alarm = 'alarm-0198c4a5-90f2-7c8d-b19e-0a1b2c3d4e5f';
const other = 'alarm-0198c4a5-90f2-7c8d-b19e-0a1b2c3d4e60';
const site = v7() as SiteId;
const text = 'The man in the red coat is "Jörg" \\ 🎥';
const { privateKeyPem: sealingKeyPem } = generateSealingKey();

async function temporary() {
  const folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-subject-keys-'));
  const file = path.join(folder.path, 'keys', 'subject-keys.sqlite');
  return {
    file,
    open: () => SubjectKeys.open({ file, sealingKeyPem, site }),
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  };
}

test('a sealed text is opened again, also after a restart and within other text and JSON', async () => {
  await using place = await temporary();
  const { open } = place;
  let token: string;
  {
    using keys = open();
    token = keys.seal(alarm, text);
    assert.ok(isSealed(token));
    assert.not.match(token, 'Jörg');
    assert.is(keys.seal(alarm, ''), '');
  }
  using keys = open();
  assert.is(keys.reveal(`x ${token} y ${token}`), `x ${text} y ${text}`);
  assert.equal(JSON.parse(keys.revealJson(JSON.stringify({ comment: token }))), { comment: text });
  assert.is(keys.seal(alarm, text), token, 'the same text of the same subject is the same token');
  assert.is.not(keys.seal(other, text), token);
});

test('what is erased can be read by nobody any more, and what is sealed afterwards can', async () => {
  await using place = await temporary();
  const { file, open } = place;
  using keys = open();
  const [first, unconcerned] = [keys.seal(alarm, text), keys.seal(other, text)];
  const wrapped = wrappedKeysIn(file, alarm);
  assert.is(wrapped.length, 1);
  assert.ok((await readFile(file)).includes(wrapped[0]!));
  keys.destroy({ by: site, subject: alarm, keyIds: keys.keyIdsOf(alarm) });
  assert.not.ok((await readFile(file)).includes(wrapped[0]!), 'the file still holds the wrapped key');
  assert.is(keys.reveal(`said: ${first}`), `said: ${ERASED_TEXT}`);
  assert.is(keys.reveal(unconcerned), text);
  assert.equal(keys.keyIdsOf(alarm), []);
  const second = keys.seal(alarm, text);
  assert.is.not(second, first);
  assert.is(keys.reveal(second), text);
  using reopened = open();
  assert.is(reopened.reveal(first), ERASED_TEXT);
});

test('a token of another site, a changed one, and text that only looks like one reveal nothing', async () => {
  await using here = await temporary();
  await using there = await temporary();
  using keys = here.open();
  using foreign = there.open();
  assert.is(keys.reveal(foreign.seal(alarm, text)), FOREIGN_TEXT);
  const token = keys.seal(alarm, text);
  const changed = `${token.slice(0, -6)}${token.at(-6) === 'A' ? 'B' : 'A'}${token.slice(-5)}`;
  assert.is(keys.reveal(changed), changed);
  const typed = `sealed:${'0'.repeat(8)}-0000-4000-8000-${'0'.repeat(12)}:${'A'.repeat(40)}`;
  assert.is(keys.reveal(keys.seal(alarm, typed)), typed);
});

test('the file is for its owner alone, and opens nothing without the key of the site', async () => {
  await using place = await temporary();
  const { file, open } = place;
  let token: string;
  {
    using keys = open();
    token = keys.seal(alarm, text);
  }
  assert.is((await stat(file)).mode & 0o777, 0o600);
  using stolen = SubjectKeys.open({ file, sealingKeyPem: generateSealingKey().privateKeyPem, site });
  assert.is(stolen.reveal(token), FOREIGN_TEXT);
  assert.equal(stolen.keysAfter(0, 10).keys, []);
  assert.is.not(stolen.seal(alarm, text), token, 'and seals under another key');
});

test('a user is a pseudonym that is always the same, and an actor whose name can be erased', async () => {
  await using place = await temporary();
  const { open } = place;
  using keys = open();
  const subject = keys.subjectOfUser('ann');
  assert.is(subject, keys.subjectOfUser('ann'));
  assert.is.not(subject, keys.subjectOfUser('bob'));
  assert.ok(Subject.safeParse(subject).success);
  const actor = actorOfUser(keys, 'ann');
  assert.is(actorOfUser(keys, 'ann'), actor);
  assert.is(keys.reveal(actor), 'user:ann');
  assert.is(actorOfUser(keys, 'a'.repeat(200)), `user:${keys.subjectOfUser('a'.repeat(200))}`);
  keys.destroy({ by: site, subject, keyIds: keys.keyIdsOf(subject) });
  assert.is(keys.reveal(actor), `user:${ERASED_TEXT}`);
});

test('a damaged file is put aside, what can be read of it is kept, and the site goes on', async () => {
  await using place = await temporary();
  const { file, open } = place;
  const subjects = Array.from({ length: 200 }, () => `alarm-${v7()}`);
  let tokens: readonly string[];
  {
    using keys = open();
    tokens = subjects.map(subject => keys.seal(subject, text));
  }
  const bytes = await readFile(file);
  const page = tablePageIn(file);
  bytes.fill(0xa5, (page - 1) * 4096, page * 4096);
  const damages: string[] = [];
  for (const damaged of [bytes, Buffer.alloc(50_000, 0x5a)]) {
    await writeFile(file, damaged);
    using keys = SubjectKeys.open({ file, sealingKeyPem, site, onDamaged: detail => damages.push(detail) });
    const readCount = tokens.filter(token => keys.reveal(token) === text).length;
    assert.ok(
      damaged === bytes ? readCount > 100 && readCount < 200 : readCount === 0,
      `${readCount} of 200`,
    );
    assert.is(keys.reveal(keys.seal(alarm, text)), text);
  }
  assert.is(damages.length, 2);
  assert.match(damages[0]!, 'delete it when the keys are back');
  const names = await readdir(path.dirname(file));
  assert.is(names.filter(name => name.includes('.damaged-')).length, 2);
});

function tablePageIn(file: string): number {
  using db = new DatabaseSync(file, { readOnly: true });
  const leaves = db.prepare("SELECT pageno FROM dbstat WHERE name = 'subject_key' AND pagetype = 'leaf'");
  return leaves.all()[2]!.pageno as number;
}

function wrappedKeysIn(file: string, subject: string): readonly Buffer[] {
  using db = new DatabaseSync(file, { readOnly: true });
  const rows = db.prepare('SELECT wrapped FROM subject_key WHERE subject = ?').all(subject);
  return rows.map(row => Buffer.from(row.wrapped as Uint8Array));
}

test.run();
