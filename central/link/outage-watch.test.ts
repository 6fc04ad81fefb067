import type { SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OutageWatch } from './outage-watch.js';

const test = suite('outage watch');
const site = '018f0000-0000-7000-8000-000000000001' as SiteId;

test('an outage is named once, from the loss of the link to its return', () => {
  const watch = new OutageWatch();
  watch.observe(site, { state: 'DOWN', sinceMs: 1000 });
  watch.observe(site, { state: 'CONNECTING', sinceMs: 1000 });
  assert.equal(watch.ended(site, 5000), { fromMs: 1000, toMs: 5000 });
  assert.is(watch.ended(site, 6000), null);
});

test('a site that was never connected has missed nothing', () => {
  const watch = new OutageWatch();
  watch.observe(site, { state: 'CONNECTING', sinceMs: null });
  assert.is(watch.ended(site, 5000), null);
});

test('being up is no outage, and a clock that was set back makes none', () => {
  const watch = new OutageWatch();
  watch.observe(site, { state: 'UP', sinceMs: 1000 });
  assert.is(watch.ended(site, 5000), null);
  watch.observe(site, { state: 'DOWN', sinceMs: 6000 });
  assert.is(watch.ended(site, 5000), null);
});

test.run();
