import { generateKeyPairSync } from 'node:crypto';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hexOf, LOG_START, type NewEvent, placeOf } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSiteLogFile } from './site-log-reader.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('a damaged site log file');
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-damage-log-'));
const genuine = path.join(directory, 'genuine.sqlite');
const PAGE_BYTES = 4096;
const EVENTS = 400;
let written: readonly string[] = [];

const open = (file: string) => openSqliteSiteLog({ file, site, now: Date.now, signingKey });

test.before(async () => {
  await using log = await open(genuine);
  await grow(log, EVENTS);
  written = eventsOf(genuine);
});
test.after(() => rmSync(directory, { recursive: true }));

async function grow(log: Awaited<ReturnType<typeof open>>, count: number): Promise<void> {
  for (let index = 0; index < count; index += 100) {
    const events = Array.from({ length: Math.min(100, count - index) }, (_, at) => newEvent(index + at));
    await log.append([{ stream: `stream-${index % 7}`, expected: 'any', events }]);
  }
}

function newEvent(index: number): NewEvent {
  return {
    ...{ id: v7() as EventId, type: 'AlarmRaised', version: 1, actor: 'user:anna' },
    data: Buffer.from(`{"mark":"event-${index}-of-the-test"}`),
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

/** The bytes of all events, as a reader is given them. */
function eventsOf(file: string): readonly string[] {
  using log = readSiteLogFile(file);
  const events: string[] = [];
  for (let after = LOG_START; ; ) {
    const page = log.read({ after, limit: 500 });
    if (page.length === 0) return events;
    for (const { header, data } of page) events.push(hexOf(header) + hexOf(data));
    after = placeOf(page.at(-1)!);
  }
}

function copy(name: string): string {
  const file = path.join(directory, `${name}.sqlite`);
  for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true });
  copyFileSync(genuine, file);
  return file;
}

async function faultOf(file: string): Promise<unknown> {
  try {
    await (await open(file))[Symbol.asyncDispose]();
    return null;
  } catch (error) {
    return (error as { fault?: unknown }).fault ?? error;
  }
}

async function damageCodes(file: string): Promise<readonly string[]> {
  return (await verifySiteLog({ file, key: signingKey })).damages.map(({ code }) => code);
}

test('is named when its end was cut off, wherever that was', async () => {
  const { size } = statSync(genuine);
  for (const length of [
    size - PAGE_BYTES,
    size - PAGE_BYTES / 2,
    Math.floor(size / 2),
    5 * PAGE_BYTES,
    100,
  ]) {
    const file = copy('cut');
    truncateSync(file, length);
    assert.ok((await damageCodes(file)).length > 0, `verified with ${length} of ${size} bytes`);
    const fault = await faultOf(file);
    assert.ok(fault === 'UNREADABLE' || fault === 'DAMAGED', `opened with ${length} of ${size}: ${fault}`);
  }
});

test('gives away no event that was not written, and is named, whatever page of it was torn', async () => {
  const bytes = readFileSync(genuine);
  let named = 0;
  for (let at = PAGE_BYTES; at < bytes.length; at += PAGE_BYTES) {
    const torn = Buffer.from(bytes);
    torn.fill(0, at + PAGE_BYTES / 2, at + PAGE_BYTES);
    if (torn.equals(bytes)) continue;
    const file = copy('torn');
    writeFileSync(file, torn);
    let read: readonly string[] | null = null;
    try {
      read = eventsOf(file);
    } catch (error) {
      assert.is((error as { code?: unknown }).code, 'SITE_LOG_FILE', `page ${at / PAGE_BYTES}: ${error}`);
    }
    if (read !== null) assert.equal(read, written.slice(0, read.length), `page ${at / PAGE_BYTES}`);
    const codes = await damageCodes(file);
    if (codes.length > 0) named += 1;
    else assert.equal(read, written, `page ${at / PAGE_BYTES} is torn, and nothing is said of it`);
  }
  assert.ok(named > 20, `${named} pages were found torn`);
});

test('is not written on when a bit of one of its last events has flipped, and the event is named', async () => {
  const bytes = readFileSync(genuine);
  const needle = Buffer.from(`event-${EVENTS - 3}-of-the-test`);
  const file = copy('flipped');
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) bytes[at]! ^= 0x04;
  writeFileSync(file, bytes);
  const error = await open(file).catch(opening => opening);
  // One event opens the epoch.
  assert.equal([error.fault, error.position], ['DAMAGED', EVENTS - 1]);
});

test('is a whole, shorter log without its write-ahead log: what is missing, only others can know', async () => {
  const file = copy('without-wal');
  const bare = copy('bare');
  {
    await using log = await open(file);
    await grow(log, 200);
    copyFileSync(file, bare);
  }
  assert.equal(await damageCodes(bare), []);
  assert.equal(eventsOf(bare), written);
  await using log = await open(bare);
  assert.is(log.head().size, EVENTS + 1);
});

test.run();
