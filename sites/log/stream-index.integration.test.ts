import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { NewEvent } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Ballast } from '../ballast.js';
import { decodeAppendFrame, encodeAppendFrame, frameBytesBound } from './append-frame.js';
import { openSiteLogForWriting } from './site-log-opening.js';
import { readSiteLogFile } from './site-log-reader.js';
import { SiteLogWriter } from './site-log-writer.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { INDEX_BATCH_EVENTS } from './stream-index.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('the stream index of a site log');
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-stream-index-'));
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const STREAMS = 5;
test.after(() => rmSync(directory, { recursive: true }));

const inDirectory = (name: string) => path.join(directory, `${name}.sqlite`);
const streamOf = (index: number) => `stream-${index % STREAMS}`;
const damagesOf = async (file: string) => (await verifySiteLog({ file, key: signingKey })).damages;

function newEvent(): NewEvent {
  return {
    ...{ id: v7() as EventId, type: 'AlarmRaised', version: 1, actor: 'user:anna', data: Buffer.from('{}') },
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

/** The writer of a log, in this thread. */
function openWriter(file: string, onIndexRebuilt: (detail: string) => void = () => undefined) {
  const opened = openSiteLogForWriting(file, site);
  const writer = new SiteLogWriter({
    ...opened,
    ...{ ballast: new Ballast(`${file}.ballast`), openingBallast: new Ballast(`${file}.opening-ballast`) },
    ...{ monotonicMs: () => performance.now(), onIndexRebuilt },
  });
  if (writer.state.size === 0) writer.writeFirstEvent(1_756_000_000_000);
  const append = (stream: string, count: number) => {
    const appends = [{ stream, expected: 'any' as const, events: Array.from({ length: count }, newEvent) }];
    const bytes = Buffer.alloc(frameBytesBound(appends));
    encodeAppendFrame(appends, { site, epoch: 1, nowMs: 1_756_000_000_000 }, bytes);
    const frames = [decodeAppendFrame(bytes)];
    return writer.commitGroup(() => frames.shift()).size;
  };
  return { writer, append, db: opened.db, [Symbol.dispose]: () => writer[Symbol.dispose]() };
}

function indexedCount(db: DatabaseSync): number {
  return db.prepare('SELECT count(*) AS count FROM stream_index').get()?.count as number;
}

test('is filled in batches, while streams are read and appended to as if it were not there', async () => {
  const file = inDirectory('batches');
  const options = { file, site, now: Date.now, signingKey };
  const total = INDEX_BATCH_EVENTS * 2 + 1500;
  const revisionOf = (stream: string) => Math.floor((total - 1 - Number(stream.at(-1))) / STREAMS);
  {
    await using log = await openSqliteSiteLog(options);
    using other = readSiteLogFile(file);
    for (let done = 0; done < total; done += 500) {
      const count = Math.min(500, total - done);
      const appends = Array.from({ length: count }, (_, index) => ({
        ...{ stream: streamOf(done + index), expected: 'any' as const, events: [newEvent()] },
      }));
      assert.ok((await log.append(appends)).appended);
      // Their own index of what is not in that of the file grows with the log, and begins anew with every batch.
      for (const reader of [log, other]) {
        const afterRevision = Math.floor(done / STREAMS) - 1;
        const page = await reader.readStream({ stream: 'stream-0', afterRevision, limit: 1000 });
        assert.equal([page.length, page[0]?.revision], [Math.ceil(count / STREAMS), afterRevision + 1]);
      }
    }
    for (let index = 0; index < STREAMS; index += 1) {
      const stream = streamOf(index);
      const revisions: number[] = [];
      for (let afterRevision: number | null = null; ; afterRevision = revisions.at(-1)!) {
        const page = await log.readStream({ stream, afterRevision, limit: 700 });
        if (page.length === 0) break;
        revisions.push(...page.map(event => event.revision));
      }
      assert.equal(
        revisions,
        Array.from({ length: revisionOf(stream) + 1 }, (_, revision) => revision),
      );
    }
  }
  const db = new DatabaseSync(file, { readOnly: true });
  const count = indexedCount(db);
  db.close();
  assert.ok(count >= INDEX_BATCH_EVENTS * 2 && count < total, `${count} of ${total} are indexed`);
  assert.equal(await damagesOf(file), []);
  await using again = await openSqliteSiteLog(options);
  const append = (stream: string, expected: number) =>
    again.append([{ stream, expected, events: [newEvent()] }]);
  const last = revisionOf('stream-1');
  assert.not((await append('stream-1', last - 1)).appended);
  assert.ok((await append('stream-1', last)).appended);
});

test('waits for room on a full disk, and neither fails an append nor loses it', async () => {
  const file = inDirectory('full');
  {
    using log = openWriter(file);
    while (log.append('a', 500) < INDEX_BATCH_EVENTS);
    const pageCount = log.db.prepare('PRAGMA page_count').get()?.page_count as number;
    log.db.exec(`PRAGMA max_page_count = ${pageCount + 10}`);
    log.writer.indexStreams();
    assert.is(indexedCount(log.db), 0);
    const size = log.append('b', 1);
    log.db.exec('PRAGMA max_page_count = 1000000');
    log.writer.indexStreams();
    assert.is(indexedCount(log.db), 0, 'it is not tried again at once');
    assert.is(log.append('b', 512), size + 512);
    log.writer.indexStreams();
    assert.is(indexedCount(log.db), size + 512);
  }
  assert.equal(await damagesOf(file), []);
});

test('refuses a revision that is there twice', () => {
  using log = openWriter(inDirectory('twice'));
  while (log.append('a', 500) < INDEX_BATCH_EVENTS);
  log.db.exec("UPDATE event SET revision = 7 WHERE stream = 'a' AND revision = 8");
  assert.throws(() => log.writer.indexStreams(), /UNIQUE constraint failed: stream_index/);
  assert.is(indexedCount(log.db), 0);
});

test('is proved to lead to every event up to its end, and to nothing else', async () => {
  const file = inDirectory('proved');
  let size = 0;
  {
    using log = openWriter(file);
    while (size < INDEX_BATCH_EVENTS) size = log.append('a', 500);
    log.writer.indexStreams();
    log.append('a', 10);
  }
  assert.equal(await damagesOf(file), []);
  const damagesAfter = async (change: string) => {
    const db = new DatabaseSync(file);
    db.exec(change);
    const damages = await damagesOf(file);
    db.close();
    return damages.map(({ code, position }) => `${code} ${position}`);
  };
  const keyOf = (revision: number) => `(SELECT key FROM event WHERE stream = 'a' AND revision = ${revision})`;
  const put = (revision: number) =>
    `INSERT OR REPLACE INTO stream_index VALUES ('a', ${revision}, ${keyOf(revision)});`;
  assert.equal(await damagesAfter("DELETE FROM stream_index WHERE revision = 20 AND stream = 'a'"), [
    'STREAM_INDEX_MISMATCH 22',
    'REVISION_MISSING 23',
  ]);
  assert.equal(await damagesAfter(`${put(20)} INSERT INTO stream_index VALUES ('b', 0, ${keyOf(9)})`), [
    'STREAM_INDEX_MISMATCH 11',
  ]);
  const swapped = await damagesAfter(`
    DELETE FROM stream_index WHERE stream = 'b';
    UPDATE stream_index SET key = ${keyOf(31)} WHERE stream = 'a' AND revision = 30`);
  assert.equal(swapped, ['STREAM_INDEX_MISMATCH 32', 'REVISION_MISSING 33']);
  assert.equal(await damagesAfter(`${put(30)} UPDATE log SET indexed_key = indexed_key - 1`), [
    `REVISION_MISSING ${size}`,
  ]);
});

test.run();
