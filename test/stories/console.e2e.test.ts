import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Locator, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsoleBrowser, chromiumPath } from '../browser/console-browser.js';
import { decodePicture, readVideo, type ShownFrame, type VideoReading } from '../browser/video-probe.js';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';
import { type CameraView, camerasOf, millisecondsIn, timelineOf } from '../network/site-view.js';

const test = suite('the console in a browser');

const program = path.resolve(import.meta.dirname, '../../../central/bin/holdfast.mjs');
const clipDirectory = path.resolve(import.meta.dirname, '../../../sites/simulated-cameras/clips');
const CLIP_FRAMES = 400;
const FRAME_MS = 40;
/** The picture and its time are read together: what lies between is the rounding of times. */
const FRAMES_BESIDE = 1;
/** A machine that runs other tests beside this one is slow; what is measured is printed, not judged, below this. */
const SANITY_MS = 5_000;
const MARKED_MS = 20_000;
const MIDDLE_OF_MARK_MS = 10_000;
/** A click on a timeline of a minute is this exact. */
const SEEK_MISS_MS = 500;

let network: DemonstrationNetwork;
let browser: ConsoleBrowser;
let cameras: readonly CameraView[];

const siteNames = () => network.ready.sites.map(({ name }) => name);
const page = () => browser.page;
const button = (name: string | RegExp) => page().getByRole('button', { name });
const liveVideo = (camera: CameraView) => `live-video-${camera.id}`;
const playbackVideo = (camera: CameraView) => `playback-video-${camera.id}`;

async function open(section: string): Promise<void> {
  await page().getByRole('link', { name: section }).first().click();
  await page().getByRole('heading', { name: section, level: 1 }).waitFor();
}

const read = (testId: string): Promise<VideoReading> => page().evaluate(readVideo, testId);
const framesOf = (testId: string): Promise<readonly ShownFrame[]> =>
  page().evaluate(id => window.videoProbe.framesOf(window.videoProbe.videoOf(id)), testId);
const inputAt = (): Promise<number> => page().evaluate(() => window.videoProbe.inputAtMs());

const difference = (one: readonly number[], other: readonly number[]): number =>
  one.reduce((sum, grey, index) => sum + Math.abs(grey - other[index]!), 0) / one.length;
const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;

function measured(what: string, values: readonly number[], goalMs: number): void {
  const worst = Math.max(...values);
  // The runner shows lines that begin with `measured:`; uvu's dots have no line of their own.
  console.log(
    `\nmeasured: ${what}: median ${median(values).toFixed(0)} ms, worst ${worst.toFixed(0)} ms of ${values.length} (goal ${goalMs} ms)`,
  );
  assert.ok(median(values) < SANITY_MS, `${what}: ${median(values)} ms`);
}

/** Reads twice, a second of video apart: time goes on, the picture changes, and the number in it counts as its capture time says. */
async function assertPlays(testId: string): Promise<VideoReading> {
  await eventually(`${testId} shows pictures`, async () => (await framesOf(testId)).length > 5);
  const first = await read(testId);
  const second = await eventually(`${testId} plays on from ${first.currentTimeS} s`, async () => {
    const reading = await read(testId);
    return reading.currentTimeS > first.currentTimeS + 1 && reading;
  });
  assert.ok(difference(first.pixels, second.pixels) > 0.05, `${testId} shows the same picture twice`);
  assert.ok(first.frameNumber !== null && second.frameNumber !== null, `${testId} shows no frame number`);
  const counted = (second.frameNumber - first.frameNumber + CLIP_FRAMES) % CLIP_FRAMES;
  const passed = Math.round((second.capturedAtMs - first.capturedAtMs) / FRAME_MS);
  assert.ok(
    Math.abs(counted - passed) <= FRAMES_BESIDE,
    `${testId}: ${counted} frames counted, ${passed} frames passed`,
  );
  return second;
}

/** The first picture of the clip that the simulated camera of that title plays. */
async function firstPictureOf(camera: CameraView): Promise<readonly number[]> {
  const clip = await readFile(
    path.join(clipDirectory, `${camera.name.toLowerCase().replace(' ', '-')}.h264`),
  );
  const end = clip.indexOf(Buffer.from([0, 0, 1, 0x41]));
  return page().evaluate(decodePicture, clip.subarray(0, end).toString('base64'));
}

test.before(async () => {
  network = await DemonstrationNetwork.create({ sites: 2 });
  const known = await eventually('every camera is connected', async () => {
    const found = await Promise.all(network.ready.sites.map(({ id }) => camerasOf(network, id)));
    const all = found.flat();
    return (
      found.every(list => list.length === 2) &&
      all.every(({ hardware }) => hardware.connection === 'CONNECTED') &&
      all
    );
  });
  cameras = known;
  browser = await ConsoleBrowser.open(chromiumPath()!, network.ready.console);
});

test.after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

test('a wrong password is refused in words, the right one opens the console', async () => {
  await page().getByLabel('User name').fill(network.ready.user);
  const password = page().getByRole('textbox', { name: 'Password' });
  await password.fill('not this one');
  await button('Sign in').click();
  await page().getByRole('alert').getByText('The user name or the password is not right.').waitFor();
  await password.fill(network.ready.password);
  await button('Sign in').click();
  await page().getByRole('heading', { name: 'Live', level: 1 }).waitFor();
});

test('the tree shows every site with its link and every camera with its state', async () => {
  const tree = page().getByRole('tree', { name: 'Sites' });
  for (const name of siteNames()) {
    await tree
      .getByRole('treeitem')
      .filter({ hasText: new RegExp(`${name}.*Up`) })
      .waitFor();
  }
  for (const camera of cameras) {
    await tree
      .getByRole('treeitem')
      .filter({ hasText: new RegExp(`^${camera.name}Recording`) })
      .waitFor();
  }
});

test('the configuration of a site is compared with the day before, by keyboard', async () => {
  await page().keyboard.press('g');
  await page().keyboard.press('c');
  await page().getByRole('heading', { name: 'Configuration', level: 1 }).waitFor();
  await page().getByRole('tree', { name: 'Sites' }).getByText(siteNames()[0]!).click();
  const changes = page().getByTestId('configuration-changes');
  await changes
    .getByRole('button', { name: /^Added .* hardware/ })
    .first()
    .waitFor();
  const hardware = page().getByTestId('configured-hardware').locator('tbody tr');
  const now = await hardware.count();
  await page().keyboard.press('ArrowDown');
  assert.is(await changes.locator('[aria-pressed=true]').count(), 1);
  await page().keyboard.press('x');
  await page().getByText('None was set up then.').waitFor();
  await page().keyboard.press('x');
  await hardware.nth(now - 1).waitFor();
  await open('Live');
});

test('live pictures move, and are those of the camera that the tile names', async () => {
  const clips = await Promise.all(cameras.map(firstPictureOf));
  for (const camera of cameras) {
    const { pixels } = await assertPlays(liveVideo(camera));
    const distances = clips.map(clip => difference(clip, pixels));
    const nearest = distances.indexOf(Math.min(...distances));
    assert.is(cameras[nearest]!.name, camera.name, `${distances}`);
  }
});

test('a camera that is opened shows a picture at once, and stays close to the present', async () => {
  const firstPictures: number[] = [];
  for (const camera of [...cameras, ...cameras]) {
    const tile = page().getByRole('region', { name: new RegExp(`: ${camera.name}$`) });
    await tile.hover();
    await tile.getByRole('button', { name: 'Close' }).click();
    await tile.waitFor({ state: 'detached' });
    await page().getByTestId(`tree-device-${camera.id}`).click();
    const [first] = await eventually('the first picture is there', async () => {
      const shown = await framesOf(liveVideo(camera));
      return shown.length > 0 && shown;
    });
    firstPictures.push(first!.displayedAtMs - (await inputAt()));
  }
  measured('first picture after opening a camera', firstPictures, 500);

  await page().waitForTimeout(5_000);
  const latencies = (await Promise.all(cameras.map(camera => framesOf(liveVideo(camera))))).flatMap(frames =>
    frames.slice(-75).map(({ latencyMs }) => latencyMs),
  );
  measured('capture to display', latencies, 400);
  assert.ok(Math.min(...latencies) > 0, 'nothing is shown before it happens');
});

/** Runs in the page: from now on, decoders SWALLOW what they are given, REFUSE it, or do NOT suffer any more. */
function hurtDecoders(how: string): void {
  const { prototype } = SourceBuffer;
  const hurt = prototype as { appendUnhurt?: SourceBuffer['appendBuffer'] };
  hurt.appendUnhurt ??= prototype.appendBuffer;
  const swallow = function (this: SourceBuffer): void {
    queueMicrotask(() => this.dispatchEvent(new Event('updateend')));
  };
  const refuse = (): void => {
    throw new Error('no decoder is left');
  };
  prototype.appendBuffer = how === 'NOT' ? hurt.appendUnhurt : how === 'SWALLOW' ? swallow : refuse;
}

/** Runs in the page: from now on, its worker hears as little of it as of a page that is HELD_UP, or all again. */
function tellWorkers(how: string): void {
  const { prototype } = Worker;
  const silenced = prototype as { postUnsilenced?: Worker['postMessage'] };
  silenced.postUnsilenced ??= prototype.postMessage;
  prototype.postMessage = how === 'HELD_UP' ? () => undefined : silenced.postUnsilenced;
}

/** Runs in the page: whether live pictures lie under a veil. */
function isVeiled(): boolean {
  const context = new OffscreenCanvas(1, 1).getContext('2d')!;
  context.drawImage(document.querySelector<HTMLCanvasElement>('.live-held-up canvas')!, 0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data[3]! > 127;
}

/** How bright what a tile keeps of its last picture is, 0 to 255; null: it shows the video itself. */
const keptBrightness = (camera: CameraView): Promise<number | null> =>
  page().evaluate(id => {
    const canvas = window.videoProbe.videoOf(id).parentElement!.querySelector('canvas')!;
    if (canvas.hidden) return null;
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    return data.reduce((sum, value, index) => (index % 4 === 1 ? sum + value : sum), 0) / (data.length / 4);
  }, liveVideo(camera));

test('a picture that no other follows is said to be old and is kept when its decoder fails, all are veiled while the page is held up, and live comes back', async () => {
  const shown = cameras.slice(0, 2);
  const tileOf = ({ name }: CameraView) => page().getByRole('region', { name: new RegExp(`: ${name}$`) });
  const nothingIsVeiled = async () => !(await page().evaluate(isVeiled));
  await eventually('nothing is veiled', nothingIsVeiled);
  try {
    await page().evaluate(tellWorkers, 'HELD_UP');
    await page().evaluate(hurtDecoders, 'SWALLOW');
    for (const camera of shown) {
      await tileOf(camera).getByText('No picture', { exact: true }).waitFor();
      await tileOf(camera)
        .getByText(/^No picture since \d\d:\d\d:\d\d \(\d+ s\)$/)
        .waitFor();
      assert.not.ok(await tileOf(camera).getByText('Live', { exact: true }).isVisible());
    }
    await page().evaluate(hurtDecoders, 'REFUSE');
    for (const camera of shown) {
      await tileOf(camera).getByText('no decoder is left').waitFor();
      assert.ok((await keptBrightness(camera))! > 5, 'the last picture is there');
    }
    await eventually('all is veiled', () => page().evaluate(isVeiled));
  } finally {
    await page().evaluate(tellWorkers, 'ALL');
    await page().evaluate(hurtDecoders, 'NOT');
  }
  await eventually('nothing is veiled any more', nothingIsVeiled);
  for (const camera of shown) {
    await tileOf(camera).getByText('Live', { exact: true }).waitFor();
    await assertPlays(liveVideo(camera));
    assert.is(await keptBrightness(camera), null);
  }
});

/** Marks from the playhead to `lengthMs` later, as an operator does with the keyboard. */
async function mark(lengthMs: number): Promise<void> {
  await page().keyboard.press('m');
  for (let passed = 0; passed < lengthMs; passed += 10_000) await page().keyboard.press('ArrowRight');
  await page().keyboard.press('m');
}

function addressOf(camera: CameraView, atMs: number): string {
  const parameters = new URLSearchParams({ devices: camera.id, at: new Date(atMs).toISOString() });
  return new URL(`#/playback?${parameters}`, network.ready.console).href;
}

async function openPlaybackAt(camera: CameraView, atMs: number): Promise<void> {
  await page().goto(addressOf(camera, atMs));
  await page().getByRole('heading', { name: 'Playback', level: 1 }).waitFor();
}

/** Waits for the picture of that instant in playback that is paused; gives what it counts. */
function pictureOf(camera: CameraView, atMs: number): Promise<number> {
  return eventually('the picture of that instant is there', async () => {
    const { capturedAtMs, frameNumber } = await read(playbackVideo(camera));
    return Math.abs(capturedAtMs - atMs) < SEEK_MISS_MS && frameNumber;
  });
}

/** Opens playback anew, which begins paused, and waits for the picture of that instant. */
async function seeAt(camera: CameraView, atMs: number): Promise<number> {
  await open('Live');
  await openPlaybackAt(camera, atMs);
  return pictureOf(camera, atMs);
}

/** The start of what is recorded, as soon as `MARKED_MS` of it are at the site and sealed. */
function recordedSince(camera: CameraView): Promise<number> {
  return eventually('some of the recording is sealed', async () => {
    const spans = await timelineOf(network, camera.id, { from: Date.now() - 300_000, to: Date.now() });
    const first = spans.find(({ state }) => state === 'REMOTE');
    return (
      first !== undefined &&
      Date.parse(first.to) - Date.parse(first.from) > MARKED_MS + 2_000 &&
      Date.parse(first.from) + 1_000
    );
  });
}

let heldFromMs = 0;

test('a marked span of the remote site is requested, comes, and plays', async () => {
  const camera = cameras[0]!;
  heldFromMs = await recordedSince(camera);
  await openPlaybackAt(camera, heldFromMs);
  await page().getByText('Remote, over the link').waitFor();
  await mark(MARKED_MS);
  await button('Retrieve').click();
  await page().getByText('Retrieval requested').waitFor();

  await open('Retrievals');
  const row = page().getByRole('row').filter({ hasText: camera.name }).filter({ hasText: 'Request' });
  await row.getByText('Completed').first().waitFor({ timeout: 60_000 });
  assert.is(await row.first().getByRole('progressbar').getAttribute('aria-valuenow'), '100');
  const asked = { from: heldFromMs, to: heldFromMs + MARKED_MS };
  await eventually('all of it is held', async () => {
    const spans = await timelineOf(network, camera.id, asked);
    return millisecondsIn(spans, 'HELD') === MARKED_MS;
  });

  await row.first().getByRole('link', { name: 'Play' }).click();
  await page().getByRole('heading', { name: 'Playback', level: 1 }).waitFor();
  await button('Play').first().click();
  await assertPlays(playbackVideo(camera));
  assert.is(await page().getByText('Remote, over the link').count(), 0);
});

const timeline = (): Locator => page().getByRole('slider', { name: 'Position in time' });

/** What the timeline shows. */
const viewed = (): Promise<{ readonly fromMs: number; readonly toMs: number }> =>
  timeline().evaluate(({ ariaValueMin, ariaValueMax }) => ({
    fromMs: Number(ariaValueMin),
    toMs: Number(ariaValueMax),
  }));

/** Where an instant lies on the timeline, which must not turn its page before this is used. */
async function placeOn(atMs: number): Promise<{ readonly x: number; readonly y: number }> {
  const { fromMs, toMs } = await viewed();
  assert.ok(atMs > fromMs && atMs < toMs, `${atMs} is not between ${fromMs} and ${toMs}`);
  const box = (await timeline().boundingBox())!;
  return { x: ((atMs - fromMs) / (toMs - fromMs)) * box.width, y: box.height - 20 };
}

/** Clicks on the timeline and waits for the picture of that instant. */
async function seekTo(camera: CameraView, atMs: number): Promise<number> {
  await timeline().click({ position: await placeOn(atMs) });
  return soughtWithin(camera, atMs);
}

/** How long after the last click or key the picture of that instant came. */
async function soughtWithin(camera: CameraView, atMs: number): Promise<number> {
  const clickedAt = await inputAt();
  const shown = await eventually(
    'the picture of that instant is there',
    async () =>
      (await framesOf(playbackVideo(camera))).find(
        ({ displayedAtMs, capturedAtMs }) =>
          displayedAtMs > clickedAt && Math.abs(capturedAtMs - atMs) < SEEK_MISS_MS,
      ),
    10_000,
  );
  return shown.displayedAtMs - clickedAt;
}

test('a seek shows the picture of the instant that was asked for, and so does an address, also when it was opened before', async () => {
  const camera = cameras[0]!;
  const openedMs = heldFromMs + MIDDLE_OF_MARK_MS;
  await seeAt(camera, openedMs);
  for (let step = 0; step < 6; step += 1) await button('Zoom in').click();
  const seeks: number[] = [];
  for (const share of [0.9, 0.1, 0.6, 0.3, 0.8, 0.2, 0.7, 0.05])
    seeks.push(await seekTo(camera, heldFromMs + share * MARKED_MS));
  measured('seek in playback', seeks, 300);

  await page().keyboard.press('n');
  const atMs = Date.now();
  await eventually('the newest recording is shown, not an old picture in its place', async () => {
    const last = (await framesOf(playbackVideo(camera))).at(-1);
    return last !== undefined && atMs - last.capturedAtMs < 15_000;
  });

  await eventually('the address follows', async () => page().url() !== addressOf(camera, openedMs));
  await openPlaybackAt(camera, openedMs);
  await pictureOf(camera, openedMs);
});

test('while it plays, the timeline turns its pages, stays where an operator moves it, and takes a click for what was pressed', async () => {
  const camera = cameras[0]!;
  await seeAt(camera, heldFromMs + 2_000);
  for (let step = 0; step < 8; step += 1) await button('Zoom in').click();
  const first = await viewed();
  const past = (ms: number) =>
    eventually('it plays on', async () => (await framesOf(playbackVideo(camera))).at(-1)!.capturedAtMs > ms);
  await seekTo(camera, first.toMs - 1_000);
  await page().getByTestId('play-pause').click();
  const second = await eventually('the page turns', async () => {
    const now = await viewed();
    return now.fromMs > first.fromMs && now;
  });

  await timeline().hover();
  await page().mouse.wheel(-(await timeline().boundingBox())!.width, 0);
  await past(second.fromMs + 3_500);
  const moved = await viewed();
  assert.ok(Math.abs(moved.toMs - second.fromMs) < 100, 'it stays a page before');

  const pressedMs = heldFromMs + 1_000;
  await page().keyboard.press('k');
  await seekTo(camera, moved.toMs - 1_000);
  await timeline().hover({ position: await placeOn(pressedMs) });
  await page().mouse.down();
  await page().keyboard.press('k');
  await past(moved.toMs + 700);
  const pressed = await viewed();
  await page().mouse.up();
  assert.equal(pressed, moved, 'no page turns under the pointer');
  await soughtWithin(camera, pressedMs);
});

test('a seek, while it plays, to a little before what the browser has shows that instant, not the first that is there', async () => {
  const camera = cameras[0]!;
  await seeAt(camera, heldFromMs + MIDDLE_OF_MARK_MS);
  await page().getByTestId('play-pause').click();
  const { currentTimeS, capturedAtMs } = await assertPlays(playbackVideo(camera));
  const firstS = await page().evaluate(
    id => window.videoProbe.videoOf(id).buffered.start(0),
    playbackVideo(camera),
  );
  const beforeMs = capturedAtMs - (currentTimeS - firstS) * 1000 - 1_000;
  await openPlaybackAt(camera, beforeMs);
  await soughtWithin(camera, beforeMs);
});

/** What the picture counts: the simulated camera burns it in. */
const shownNumber = async (camera: CameraView): Promise<number | null> =>
  (await read(playbackVideo(camera))).frameNumber;

test('pictures are stepped through one by one, both ways', async () => {
  const camera = cameras[0]!;
  const first = await seeAt(camera, heldFromMs + MIDDLE_OF_MARK_MS);
  for (const [key, steps] of [
    ['.', [1, 2, 3]],
    [',', [2, 1, 0, -1, -2, -3]],
  ] as const) {
    for (const step of steps) {
      await page().keyboard.press(key);
      const expected = (first + step + CLIP_FRAMES) % CLIP_FRAMES;
      await eventually(
        `picture ${expected} after ${key}`,
        async () => (await shownNumber(camera)) === expected,
      );
    }
  }
});

test('it plays backward, and so fast that only key frames come', async () => {
  const camera = cameras[0]!;
  const asked: string[] = [];
  page().on('request', request => asked.push(request.url()));
  await seeAt(camera, heldFromMs + MARKED_MS - 2_000);
  const since = (await framesOf(playbackVideo(camera))).length;
  const shownSince = async (count: number) =>
    (await framesOf(playbackVideo(camera))).slice(count).map(({ capturedAtMs }) => capturedAtMs);
  await page().keyboard.press('j');
  const back = await eventually('ten pictures back', async () => {
    const shown = await shownSince(since);
    return shown.length >= 10 && shown;
  });
  assert.equal(
    back,
    back.toSorted((one, other) => other - one),
  );
  assert.not.ok(asked.some(url => url.includes('pictures=key')));

  await page().keyboard.press('k');
  await seeAt(camera, heldFromMs + 1_000);
  const before = (await framesOf(playbackVideo(camera))).length;
  for (const key of ['l', 'l', 'l', 'l']) await page().keyboard.press(key);
  await eventually('past the middle at 8×', async () =>
    (await shownSince(before)).some(ms => ms > heldFromMs + MIDDLE_OF_MARK_MS),
  );
  assert.ok(asked.some(url => url.includes('pictures=key')));
  await page().keyboard.press('k');
});

/** Runs in the page: how long after a key, pressed as an answer that brought nothing has come, the next question is sent. */
async function askAfterSeek(key: string): Promise<number> {
  const asked = () =>
    performance.getEntriesByType('resource').filter(({ name }) => name.includes('/recording?'));
  const next = async () => {
    const { length } = asked();
    while (asked().length === length) await new Promise(resolve => setTimeout(resolve, 5));
    return asked().at(-1)!;
  };
  await next();
  const pressedAtMs = performance.now();
  document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  return (await next()).startTime - pressedAtMs;
}

/** What brought nothing is asked for again after three seconds; by whoever goes somewhere, at once. */
async function assertAsksAtOnce(): Promise<void> {
  const waitsMs: number[] = [];
  for (const key of ['ArrowRight', 'ArrowLeft']) waitsMs.push(await page().evaluate(askAfterSeek, key));
  assert.ok(Math.min(...waitsMs) < 1_500, `${waitsMs} ms`);
}

test('what can be done where no picture comes stays in its place while the console tries again', async () => {
  const camera = cameras[1]!;
  const since = await recordedSince(camera);
  const recordings = /\/recording\?/;
  let answered = 0;
  await page().route(recordings, async route => {
    await page().waitForTimeout(300);
    await route.fulfill({ status: 503, json: { message: 'not now' } });
    answered += 1;
  });
  try {
    await open('Live');
    await openPlaybackAt(camera, since + 5_000);
    const request = await page().waitForSelector(`[data-testid="request-span-${camera.id}"]`);
    const before = answered;
    await eventually('it was tried again', async () => answered > before);
    assert.ok(await request.evaluate(({ isConnected }) => isConnected));
    await assertAsksAtOnce();
  } finally {
    await page().unroute(recordings);
  }
  await openPlaybackAt(camera, since + 6_000);
  await pictureOf(camera, since + 6_000);
});

test('an evidence lock is put on a marked span', async () => {
  await openPlaybackAt(cameras[0]!, heldFromMs);
  await mark(10_000);
  await button('Lock').click();
  await page().getByLabel('Headline').fill('Parcel left behind');
  await button('Create the lock').click();
  await page().getByRole('dialog').waitFor({ state: 'detached' });
  await open('Evidence locks');
  const row = page().getByRole('row').filter({ hasText: 'Parcel left behind' });
  await row.getByText('Active').waitFor();
  assert.match((await row.textContent()) ?? '', cameras[0]!.name);
});

test('an export plays in a browser, and is sought in', async () => {
  const out = path.join(network.dataDirectory, 'export.mp4');
  const span = [
    ...['--from', new Date(heldFromMs).toISOString()],
    ...['--to', new Date(heldFromMs + MARKED_MS).toISOString()],
  ];
  // Two cameras of one site: a file for each.
  const [camera, other] = cameras as [CameraView, CameraView];
  const args = [
    'media',
    'export',
    network.dataDirectory,
    '--device',
    camera.id,
    other.id,
    ...span,
    '--out',
    out,
  ];
  await promisify(execFile)(process.execPath, [program, ...args]);
  const fileOf = ({ id }: CameraView) => path.join(network.dataDirectory, `export-${id}.mp4`);
  assert.ok((await stat(fileOf(other))).size > 0);
  const tab = await page().context().browser()!.newPage();
  await tab.setContent('<video muted></video>');
  const seen = await tab.evaluate(
    async ({ base64, seeks }) => {
      const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
      const video = document.querySelector('video')!;
      video.src = URL.createObjectURL(new Blob([bytes], { type: 'video/mp4' }));
      const happened = (name: string) =>
        new Promise<void>((resolve, reject) => {
          video.addEventListener(name, () => resolve(), { once: true });
          video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true });
        });
      await happened('loadeddata');
      const frame = () =>
        new Promise<number>(resolve => {
          video.requestVideoFrameCallback((_, { mediaTime }) => resolve(mediaTime));
          setTimeout(() => resolve(Number.NaN), 10_000);
        });
      // A frame of before may be shown behind the seek.
      const shownAt = async (toS: number) => {
        let next = frame();
        video.currentTime = toS;
        for (let frames = 0; ; frames += 1) {
          const shownS = await next;
          if (Math.abs(shownS - toS) < 0.1 || frames === 3) return shownS;
          next = frame();
        }
      };
      const shownS: number[] = [];
      for (const toS of seeks) shownS.push(await shownAt(toS));
      return { durationS: video.duration, shownS };
    },
    { base64: (await readFile(fileOf(camera))).toString('base64'), seeks: [15, 3, 18.5, 0.5] },
  );
  await tab.close();
  assert.ok(Math.abs(seen.durationS - MARKED_MS / 1000) < 5, `${seen.durationS} s`);
  for (const [index, toS] of [15, 3, 18.5, 0.5].entries())
    assert.ok(Math.abs(seen.shownS[index]! - toS) < 0.1, `${toS} s: ${seen.shownS}`);
});

/** From now on, such requests to the API are answered by an error. */
async function answerNothing(document: string): Promise<void> {
  await page().route('**/graphql', route =>
    route.request().postData()?.includes(document)
      ? route.fulfill({ json: { errors: [{ message: 'No answer just now.' }] } })
      : route.continue(),
  );
}

/** A comment that was not taken stays where it was written, and is there to be sent again. */
async function assertCommentIsKept(detail: Locator): Promise<void> {
  const comment = detail.getByRole('textbox', { name: 'Comment' });
  await comment.fill('the guard is on his way');
  await answerNothing('mutation UpdateAlarm');
  await comment.press('Enter');
  const notice = page().getByTestId('notices').locator('.notice', { hasText: 'No answer just now.' });
  await notice.waitFor();
  await eventually(
    'it is kept',
    async () => (await comment.inputValue()) === 'the guard is on his way',
    5_000,
  );
  await page().unroute('**/graphql');
  await notice.getByRole('button', { name: 'Dismiss' }).click();
  await comment.press('Enter');
  await detail.getByTestId('alarm-history').getByText('the guard is on his way').waitFor();
  assert.is(await comment.inputValue(), '');
}

test('an alarm is raised, acknowledged, and closed with a reason', async () => {
  await open('Alarms');
  await button('Raise').click();
  const dialog = page().getByRole('dialog');
  await dialog.getByLabel('Name').fill('Door forced');
  await dialog.getByRole('combobox', { name: 'Device' }).click();
  await page()
    .getByRole('option', { name: new RegExp(`^${cameras[0]!.name}`) })
    .first()
    .click();
  await button('Raise the alarm').click();
  await dialog.waitFor({ state: 'detached' });
  await button('Door forced').click();
  const detail = page().getByRole('complementary', { name: /^Alarm/ });
  await detail.getByRole('button', { name: 'Acknowledge' }).click();
  await detail.getByText('In progress').first().waitFor();
  await assertCommentIsKept(detail);
  await detail.getByRole('button', { name: 'Close …' }).click();
  await dialog.getByRole('combobox', { name: 'Reason' }).click();
  await page().getByRole('option', { name: 'False alarm' }).click();
  await dialog.getByLabel('In words').fill('the wind');
  await answerNothing('mutation UpdateAlarm');
  await button('Close the alarm').click();
  await page().getByText('No answer just now.').waitFor();
  await page().unroute('**/graphql');
  // What was written is still there.
  await button('Close the alarm').click();
  await detail
    .getByText(/False alarm: the wind/)
    .first()
    .waitFor();
  // Closed alarms leave the open ones.
  await page().getByRole('table').getByText('Door forced').waitFor({ state: 'detached' });
});

test('a list that is still on its way does not pass for one that is empty', async () => {
  const answer = Promise.withResolvers<void>();
  await open('Live');
  await page().route('**/graphql', async route => {
    if (route.request().postData()?.includes('query Alarms')) await answer.promise;
    await route.continue();
  });
  await page().getByRole('link', { name: 'Alarms' }).first().click();
  await page().getByRole('status').getByText('Asking …').waitFor();
  assert.is(await page().getByText('No alarms').count(), 0);
  answer.resolve();
  await page().getByRole('status').getByText('Asking …').waitFor({ state: 'detached' });
  await page().unroute('**/graphql');
});

test('lines of another filter are marked until those of the new one come, and a late answer to the old one changes nothing', async () => {
  await open('Alarms');
  const list = page().getByTestId('alarm-list');
  const state = page().getByRole('radiogroup', { name: 'State' });
  await state.getByText('All').click();
  await list.getByText('Door forced').waitFor();
  const old = Promise.withResolvers<void>();
  const passed = Promise.withResolvers<void>();
  await page().route('**/graphql', async route => {
    const { query, variables } = route.request().postDataJSON();
    const isOld = query.includes('query Alarms') && variables.filter.states?.[0] === 'ON_HOLD';
    if (!isOld) return route.continue();
    await old.promise;
    await route.continue();
    passed.resolve();
  });
  const busy = page().locator('[aria-busy=true]').filter({ has: list });
  await state.getByText('On hold').click();
  await busy.waitFor();
  await page().getByRole('status').getByText('Asking …').waitFor();
  await state.getByText('Closed').click();
  await list.getByText('Door forced').waitFor();
  await busy.waitFor({ state: 'detached' });
  old.resolve();
  const late = page().waitForResponse(
    response => response.request().postData()?.includes('ON_HOLD') === true,
  );
  await passed.promise;
  await (await late).finished();
  await page().evaluate(() => new Promise(requestAnimationFrame));
  assert.is(await list.getByText('Door forced').count(), 1);
  await page().unroute('**/graphql');
  await state.getByText('Open').click();
});

test('who was writing when the session ended signs in again and goes on writing', async () => {
  await open('Alarms');
  await button('Raise').click();
  const dialog = page().getByRole('dialog');
  await dialog.getByLabel('Name').fill('Gate open');
  await dialog.getByLabel('Message').fill('half a sentence');
  await page().route('**/graphql', route => route.fulfill({ status: 401, json: {} }));
  await button('Raise the alarm').click();
  await page()
    .getByRole('alert')
    .getByText(/^Your session ended at \d\d:\d\d:\d\d/)
    .waitFor();
  assert.not.ok(await page().getByTestId('site-tree').isVisible());
  assert.is(await page().getByTestId('raise-alarm-dialog').getByRole('textbox').first().isVisible(), false);
  await page().unroute('**/graphql');
  assert.is(await page().getByLabel('User name').inputValue(), network.ready.user);
  await page().keyboard.type(network.ready.password);
  await page().keyboard.press('Enter');
  await dialog.waitFor();
  assert.is(await dialog.getByLabel('Message').inputValue(), 'half a sentence');
  await button('Raise the alarm').click();
  await dialog.waitFor({ state: 'detached' });
  await button('Gate open').waitFor();
});

/** Runs in the page: keys that come faster than the browser tells of a new address. */
async function pressAtOnce(keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    await null;
  }
}

test('each of two keys that come at once goes one alarm further', async () => {
  const raise = `mutation ($device: ID!, $name: String!) {
    raiseAlarm(deviceId: $device, name: $name, priority: 3) { command { state } } }`;
  for (const name of ['First', 'Second', 'Third'])
    await network.query(raise, { device: cameras[0]!.id, name });
  await open('Alarms');
  const row = (index: number) => page().getByTestId('alarm-list').locator('tbody tr').nth(index);
  await row(2).waitFor();
  await page().evaluate(pressAtOnce, ['ArrowDown', 'ArrowDown', 'ArrowDown']);
  await eventually(
    'the third one is chosen',
    async () => (await row(2).getAttribute('aria-selected')) === 'true',
    5_000,
  );
});

test('a cut link is shown with since when; what is held still plays; live comes back by itself', async () => {
  const [site] = network.ready.sites;
  const [camera, , other] = cameras as [CameraView, CameraView, CameraView];
  await open('Live');
  await assertPlays(liveVideo(camera));
  await button(`Cut the link of ${site!.name}`).first().click();
  const inTree = page()
    .getByRole('treeitem')
    .filter({ hasText: new RegExp(`${site!.name}.*Down.*since \\d\\d:\\d\\d:\\d\\d`) });
  await inTree.waitFor({ timeout: 15_000 });
  const tile = page().getByRole('region', { name: new RegExp(`: ${camera.name}$`) });
  await tile.getByText('Link down').waitFor();
  assert.match((await tile.textContent()) ?? '', /since \d\d:\d\d:\d\d/);
  for (const next of ['Back to the grid', 'Enlarge']) {
    await tile.dblclick();
    await tile.getByRole('button', { name: next }).waitFor();
  }
  await assertPlays(liveVideo(other));

  await openPlaybackAt(camera, heldFromMs + 2_000);
  await button('Play').first().click();
  await assertPlays(playbackVideo(camera));

  await open('Live');
  await button(`Restore the link of ${site!.name}`).first().click();
  await tile.getByText('Link down').waitFor({ state: 'detached' });
  await assertPlays(liveVideo(camera));
});

/**
 * The page of a site in a tab of its own, as a central would show it that was restored from an older copy: it does not know what the
 * site has locked since.
 */
async function openAwaited(site: { readonly id: string }, me: { readonly administrator: boolean }) {
  const tab = await page().context().browser()!.newPage({ viewport: page().viewportSize() });
  await tab.route('**/graphql', async route => {
    const asked = route.request().postData() ?? '';
    if (!/query (Sites|Me)\b/.test(asked)) return route.continue();
    const response = await route.fetch();
    const json = await response.json();
    for (const { node } of json.data.sites?.edges ?? []) {
      if (node.id !== site.id) continue;
      Object.assign(node, { awaited: true, link: { ...node.link, state: 'DOWN' } });
    }
    if (json.data.me) Object.assign(json.data.me, me);
    return route.fulfill({ response, json });
  });
  const known = tab.waitForResponse(answer => answer.request().postData()?.includes('query Me') === true);
  await tab.goto(new URL(`#/sites/${site.id}`, network.ready.console).href);
  await tab.getByLabel('User name').fill(network.ready.user);
  await tab.getByRole('textbox', { name: 'Password' }).fill(network.ready.password);
  await tab.getByRole('button', { name: 'Sign in' }).click();
  await tab.getByText('no retrieved recording of any site is deleted here').waitFor();
  await (await known).finished();
  return tab;
}

async function closeAwaited(tab: Page): Promise<void> {
  await tab.unrouteAll({ behavior: 'ignoreErrors' });
  await tab.close();
}

test('an administrator, and nobody else, may write off a site that a restored central waits for', async () => {
  const site = network.ready.sites[0]!;
  const others = await openAwaited(site, { administrator: false });
  assert.is(await others.getByTestId(`write-off-${site.id}`).count(), 0);
  await closeAwaited(others);

  const tab = await openAwaited(site, { administrator: true });
  await tab.getByTestId(`write-off-${site.id}`).click();
  const dialog = tab.getByRole('dialog');
  await dialog.getByText('only of a site that will never report again').waitFor();
  const asked = tab.waitForRequest(request => request.postData()?.includes('writeOffSite') === true);
  await dialog.getByRole('button', { name: 'Write it off' }).click();
  assert.equal((await asked).postDataJSON().variables, { site: site.id });
  // This central was not restored, and says so.
  await tab.getByText(`nothing of site ${site.id} is waited for`).waitFor();
  await dialog.waitFor();
  await closeAwaited(tab);
});

test('nothing went wrong in the browser meanwhile', () => {
  const expected = [
    // The wrong password.
    /^response: 400 \/API\/IDP\/connect\/token$/,
    /^console: Failed to load resource: the server responded with a status of 400/,
    // The session that ended.
    /^response: 401 \/graphql$/,
    /^console: Failed to load resource: the server responded with a status of 401/,
    // A seek gives up what it no longer needs.
    /^request: net::ERR_ABORTED \/media\/…\/recording$/,
    // Where no picture comes.
    /^response: 503 \/media\/…\/recording$/,
    /^console: Failed to load resource: the server responded with a status of 503/,
  ];
  const unexpected = browser.problems.filter(problem => !expected.some(pattern => pattern.test(problem)));
  assert.equal(unexpected, []);
});

if (chromiumPath() === null) {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [
    ...(skipped.HOLDFAST_SKIPPED ?? []),
    'console.e2e: no Chromium: install it, or name it in $CHROMIUM',
  ];
} else test.run();
