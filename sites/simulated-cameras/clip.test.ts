import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AdtsFormatError, parseAdts } from './adts.js';
import { groupPictures, splitAnnexB } from './annex-b.js';
import { ClipError, clipNames, loadClip, parseClip, shortenClip } from './clip.js';
import { padClip } from './padded-clip.js';

const test = suite('clips');

test('each committed clip lasts 16 s in picture and sound and can be joined every two seconds', async () => {
  for (const name of clipNames) {
    const clip = await loadClip(name);
    assert.is(clip.pictures.length, 400, name);
    assert.is(clip.audio!.frames.length, 750, name);
    assert.is(clip.audio!.sampleRate, 48_000);
    assert.is(clip.audio!.channels, 1);
    assert.equal(
      clip.pictures.flatMap((picture, index) => (picture.keyFrame ? [index] : [])),
      [0, 50, 100, 150, 200, 250, 300, 350],
      name,
    );
  }
});

test('together the committed clips stay below 3.6 MB', async () => {
  const folder = path.resolve(import.meta.dirname, '../../simulated-cameras/clips');
  const sizes = await Promise.all(
    (await readdir(folder)).map(async file => (await stat(path.join(folder, file))).size),
  );
  assert.ok(sizes.reduce((sum, size) => sum + size, 0) < 3.6e6);
});

test('pictures are told apart without delimiters, and a picture of two slices stays one', () => {
  const [sps, pps, idr, secondSlice, p] = [
    Uint8Array.of(0x67, 1),
    Uint8Array.of(0x68, 1),
    Uint8Array.of(0x65, 0x80),
    Uint8Array.of(0x65, 0x40),
    Uint8Array.of(0x41, 0x9a),
  ] as const;
  const stream = Buffer.concat(
    [sps, pps, idr, secondSlice, p, p].flatMap(unit => [Buffer.from([0, 0, 0, 1]), unit]),
  );
  const pictures = groupPictures(splitAnnexB(stream));
  assert.equal(
    pictures.map(picture => [picture.keyFrame, picture.nalUnits.length]),
    [
      [true, 4],
      [false, 1],
      [false, 1],
    ],
  );
});

test('a clip without parameter sets, or with sound that is not ADTS, is refused by name', () => {
  assert.throws(
    () => parseClip('x', Buffer.from([0, 0, 1, 0x65, 0x80]), null),
    (error: unknown) => error instanceof ClipError,
  );
  assert.throws(
    () => parseAdts(Buffer.from('no sound')),
    (error: unknown) => error instanceof AdtsFormatError,
  );
  assert.throws(
    () => parseAdts(Buffer.alloc(0)),
    (error: unknown) => error instanceof AdtsFormatError,
  );
});

test('a padded clip has the rate asked for, and its pictures begin as they did', async () => {
  const clip = await loadClip('entrance');
  const padded = padClip(clip, { bitsPerSecond: 4_000_000 });
  const bytes = padded.pictures
    .flatMap(picture => picture.nalUnits)
    .reduce((sum, unit) => sum + unit.length, 0);
  assert.ok(Math.abs((bytes * 8) / 16 - 4_000_000) < 40_000, `${(bytes * 8) / 16} bit/s`);
  padded.pictures.forEach((picture, index) => {
    assert.equal(
      picture.nalUnits.slice(0, clip.pictures[index]!.nalUnits.length),
      clip.pictures[index]!.nalUnits,
    );
    const added = picture.nalUnits.slice(clip.pictures[index]!.nalUnits.length);
    assert.ok(added.every(unit => (unit[0]! & 31) === 12 && unit.at(-1) === 0x80));
  });
});

test('a shortened clip keeps as much sound as picture', async () => {
  const clip = shortenClip(await loadClip('platform'), 50);
  assert.is(clip.pictures.length, 50);
  assert.is(clip.audio!.frames.length, 93);
});

test.run();
