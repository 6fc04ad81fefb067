// Makes the clips of the simulated cameras again: node scripts/make-clips.mjs [scene …]
// Needs Chromium and ffmpeg (a developer's machine; nobody else runs this: the clips are committed).
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const root = path.resolve(import.meta.dirname, '..');
const output = path.join(root, 'sites/simulated-cameras/clips');
const FRAME_COUNT = 400;
const FRAME_RATE = 25;
/** 16 s of AAC at 48 kHz: exactly as long as the picture, so that both loop together. */
const AUDIO_FRAME_COUNT = 750;
/** The encoder's start-up lies before this frame; a tone whose period divides 16 s then loops without a click. */
const AUDIO_FRAMES_SKIPPED = 48;
const VIDEO_BITS_PER_SECOND = 370_000;

const tonesHz = { entrance: 220, 'car-park': 164.8125, platform: 196, corridor: 246.9375 };

async function openPage(browser) {
  const page = await browser.newPage({ viewport: { width: 960, height: 540 } });
  await page.route('http://clips.invalid/**', route => {
    const name = new URL(route.request().url()).pathname.slice(1);
    if (name === '')
      return route.fulfill({
        contentType: 'text/html',
        body: '<canvas width="960" height="540"></canvas><script type="module" src="scenes.js"></script>',
      });
    return route.fulfill({
      contentType: 'text/javascript',
      body: readFileSync(path.join(import.meta.dirname, 'clip-scenes', path.basename(name)), 'utf8'),
    });
  });
  await page.goto('http://clips.invalid/');
  await page.waitForFunction(() => globalThis.drawFrame);
  return page;
}

function encoder(target) {
  const keyFrames = `keyint=50:min-keyint=50:scenecut=0:bframes=0:ref=2:rc-lookahead=50:vbv-maxrate=900:vbv-bufsize=900`;
  const input = ['-f', 'image2pipe', '-framerate', String(FRAME_RATE), '-c:v', 'mjpeg', '-i', 'pipe:0'];
  const video = ['-c:v', 'libx264', '-preset', 'veryslow', '-profile:v', 'high', '-pix_fmt', 'yuv420p'];
  const colour = ['-vf', 'scale=out_range=tv:out_color_matrix=bt709,format=yuv420p'];
  const rate = ['-b:v', String(VIDEO_BITS_PER_SECOND), '-x264-params', keyFrames];
  // SEI with the encoder's settings is of no use to a camera's viewer.
  const raw = ['-bsf:v', 'filter_units=remove_types=6', '-f', 'h264', target];
  return spawn('ffmpeg', ['-v', 'error', '-y', ...input, ...colour, ...video, ...rate, ...raw], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
}

async function makeVideo(page, scene, target) {
  const process = encoder(target);
  const ended = new Promise(resolve => process.once('close', resolve));
  for (let frame = 0; frame < FRAME_COUNT; frame += 1) {
    const url = await page.evaluate(
      ([name, index, count]) => globalThis.drawFrame(name, index, count),
      [scene, frame, FRAME_COUNT],
    );
    const picture = Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
    if (!process.stdin.write(picture)) await new Promise(resolve => process.stdin.once('drain', resolve));
  }
  process.stdin.end();
  if ((await ended) !== 0) throw new Error(`ffmpeg failed on ${scene}`);
}

function makeAudio(scene, target, scratch) {
  const adts = path.join(scratch, `${scene}.aac`);
  const hz = tonesHz[scene];
  const tone = `(0.10*sin(2*PI*${hz}*t)+0.05*sin(2*PI*${hz * 2}*t)+0.03*sin(2*PI*${hz * 1.5}*t))*(0.6+0.4*sin(2*PI*t/4))`;
  const source = ['-f', 'lavfi', '-i', `aevalsrc='${tone}':s=48000:d=20`];
  const made = spawnSync(
    'ffmpeg',
    ['-v', 'error', '-y', ...source, '-c:a', 'aac', '-b:a', '32k', '-f', 'adts', adts],
    {
      stdio: 'inherit',
    },
  );
  if (made.status !== 0) throw new Error(`ffmpeg failed on the tone of ${scene}`);
  const bytes = readFileSync(adts);
  const frames = [];
  for (let offset = 0; offset + 7 <= bytes.length; ) {
    const length = ((bytes[offset + 3] & 3) << 11) | (bytes[offset + 4] << 3) | (bytes[offset + 5] >> 5);
    frames.push(bytes.subarray(offset, offset + length));
    offset += length;
  }
  writeFileSync(
    target,
    Buffer.concat(frames.slice(AUDIO_FRAMES_SKIPPED, AUDIO_FRAMES_SKIPPED + AUDIO_FRAME_COUNT)),
  );
}

const scratch = mkdtempSync(path.join(os.tmpdir(), 'holdfast-clips-'));
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu'],
});
try {
  const wanted = process.argv.slice(2);
  for (const scene of wanted.length > 0 ? wanted : Object.keys(tonesHz)) {
    const page = await openPage(browser);
    const video = path.join(output, `${scene}.h264`);
    await makeVideo(page, scene, video);
    await page.close();
    makeAudio(scene, path.join(output, `${scene}.aac`), scratch);
    console.log(`${scene}: ${statSync(video).size} bytes of video`);
  }
} finally {
  await browser.close();
  rmSync(scratch, { recursive: true, force: true });
}
