import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DemonstrationPlanError, planFile, preparePlan, readPlan, writePlan } from './demonstration-plan.js';

const test = suite('demonstration plan');
const clips = ['entrance', 'platform', 'corridor'].map(name => ({ name, title: name }));

async function inFolder(body: (dataDirectory: string) => Promise<void> | void): Promise<void> {
  const dataDirectory = await mkdtemp(path.join(tmpdir(), 'holdfast-plan-'));
  try {
    await body(dataDirectory);
  } finally {
    await rm(dataDirectory, { recursive: true });
  }
}

test('a second start continues with the same sites, and adds what is asked for beyond them', () =>
  inFolder(async dataDirectory => {
    const first = preparePlan({ dataDirectory, siteCount: 2, cameraUrls: [], clips });
    writePlan(dataDirectory, first);
    assert.is((await stat(planFile(dataDirectory))).mode & 0o777, 0o600);
    const second = preparePlan({ dataDirectory, siteCount: 3, cameraUrls: [], clips });
    assert.equal(second.sites.slice(0, 2), first.sites);
    assert.is(second.sites.length, 3);
    assert.is(new Set(second.sites.map(site => site.directory)).size, 3);
  }));

test('the cameras of a site are on different recording servers, so that hardware can be moved', () =>
  inFolder(dataDirectory => {
    const [site] = preparePlan({ dataDirectory, siteCount: 1, cameraUrls: [], clips }).sites;
    assert.is(new Set(site!.cameras.map(camera => camera.recordingServer)).size, 2);
  }));

test("a camera of the user's takes the place of a simulated one at the first site, once", () =>
  inFolder(dataDirectory => {
    const cameraUrls = ['rtsp://admin:secret@192.0.2.10/stream1'];
    const first = preparePlan({ dataDirectory, siteCount: 2, cameraUrls, clips });
    assert.equal(
      first.sites.map(site => site.cameras.map(({ source }) => 'url' in source)),
      [
        [true, false],
        [false, false],
      ],
    );
    writePlan(dataDirectory, first);
    assert.equal(preparePlan({ dataDirectory, siteCount: 2, cameraUrls, clips }), first);
  }));

test('a plan that cannot be read is named, not overwritten', () =>
  inFolder(async dataDirectory => {
    await writeFile(planFile(dataDirectory), '{"sites":');
    assert.throws(
      () => readPlan(dataDirectory),
      (error: unknown) => error instanceof DemonstrationPlanError,
    );
  }));

test.run();
