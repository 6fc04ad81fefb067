import type { Locator, Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsoleBrowser, chromiumPath } from '../browser/console-browser.js';
import { faintTexts } from '../browser/contrast.js';
import { OperatedNetwork } from '../browser/operated-network.js';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';
import { camerasOf, linkOf } from '../network/site-view.js';

const test = suite('an operator without a mouse');

let network: DemonstrationNetwork;
let operated: OperatedNetwork;
let browser: ConsoleBrowser;
let ann: Page;

const site = () => network.ready.sites[0]!;
const detailOf = (page: Page) => page.getByTestId('alarm-detail');

test.before(async () => {
  network = await DemonstrationNetwork.create({ sites: 1 });
  await eventually('the link is up', async () => (await linkOf(network, site().id)).state === 'UP');
  operated = new OperatedNetwork(network);
  browser = await ConsoleBrowser.open(chromiumPath()!, network.ready.console);
  ann = browser.page;
  await operated.signIn(ann);
});

test.after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

/** More stops than a page has. */
const TABS_MAX = 60;

const hasFocus = (locator: Locator): Promise<boolean> =>
  locator.evaluateAll(elements => elements.includes(document.activeElement as HTMLElement));

/** Goes on with the Tab key until that has the focus, and sees that it has. */
async function tabTo(page: Page, target: Locator, key = 'Tab'): Promise<void> {
  for (let tabs = 0; tabs < TABS_MAX; tabs += 1) {
    await page.keyboard.press(key);
    if (!(await hasFocus(target))) continue;
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outline);
    const isField = await page.evaluate(() => document.activeElement!.tagName === 'INPUT');
    assert.ok(isField || /[1-9]px/.test(outline), `the focus is seen: ${outline}`);
    return;
  }
  throw new Error(`${TABS_MAX} times Tab did not lead to ${target}`);
}

async function pressAll(page: Page, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
}

test('an alarm is opened, acknowledged and what its camera recorded is locked without a mouse', async () => {
  const [camera] = await eventually('a camera is known', async () => {
    const cameras = await camerasOf(network, site().id);
    return cameras.length > 0 && cameras;
  });
  const id = await operated.raise('Person in the yard', camera!.id);
  await ann.goto(new URL('#/live', network.ready.console).href);
  await ann.getByRole('heading', { name: 'Live', level: 1 }).waitFor();
  await pressAll(ann, 'g', 'a');
  const line = ann.locator(`[data-line="${id}"]`).getByRole('button');
  await line.waitFor();
  await tabTo(ann, ann.getByRole('button', { name: 'Skip to the page' }));
  await ann.keyboard.press('Enter');
  await tabTo(ann, line);
  await ann.keyboard.press('Enter');
  const detail = detailOf(ann);
  await detail.getByTestId('alarm-acknowledge').waitFor();
  assert.ok(await hasFocus(detail), 'what was opened has the focus');
  await tabTo(ann, detail.getByTestId('alarm-acknowledge'));
  await ann.keyboard.press('Enter');
  await detail.getByTestId('alarm-acknowledge').waitFor({ state: 'detached' });
  assert.is((await operated.alarmOf(id)).state, 'IN_PROGRESS');
  await eventually('the focus stays with the alarm', () => hasFocus(detail));

  await tabTo(ann, detail.getByTestId('alarm-comment'));
  await ann.keyboard.type('hi c');
  await ann.keyboard.press('Enter');
  await detail.getByTestId('alarm-history').getByText('hi c').waitFor();
  const { state, assignedTo } = await operated.alarmOf(id);
  assert.equal([state, assignedTo], ['IN_PROGRESS', null], 'what is written is no shortcut');

  await pressAll(ann, 'Escape', 'c');
  const dialog = ann.getByTestId('close-alarm-dialog');
  await dialog.getByTestId('close-alarm-submit').waitFor();
  for (let tabs = 0; tabs < 8; tabs += 1) await ann.keyboard.press('Tab');
  assert.ok(await hasFocus(dialog.locator(':focus')), 'the focus stays in the dialog');
  await ann.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  await ann.keyboard.press('Escape');
  await eventually('the line has the focus again', () => hasFocus(line));

  await ann.keyboard.press('Enter');
  await detail.waitFor();
  await tabTo(ann, detail.getByRole('link', { name: 'Playback' }));
  await ann.keyboard.press('Enter');
  await ann.getByRole('heading', { name: 'Playback', level: 1 }).waitFor();
  await pressAll(ann, 'm', 'ArrowRight', 'm');
  const lock = ann.getByTestId('selection-lock');
  await lock.waitFor();
  await tabTo(ann, lock);
  await ann.keyboard.press('Enter');
  await ann.getByTestId('create-lock-dialog').getByLabel('Headline').waitFor();
  await ann.keyboard.type('Yard');
  await ann.keyboard.press('Enter');
  await ann.getByTestId('create-lock-dialog').waitFor({ state: 'detached' });
  await eventually('the focus is where it was', () => hasFocus(lock));
  const { evidenceLocks } = await network.query<{
    evidenceLocks: { edges: { node: { headline: string; devices: { id: string }[] } }[] };
  }>('{ evidenceLocks(first: 5) { edges { node { headline devices { id } } } } }');
  assert.equal(
    evidenceLocks.edges.map(({ node }) => node),
    [{ headline: 'Yard', devices: [{ id: camera!.id }] }],
  );
});

test('each line of the tree is one stop, the last one that was gone to, and its keys are not those of the page', async () => {
  await ann.goto(new URL('#/alarms', network.ready.console).href);
  const tree = ann.getByRole('tree', { name: 'Sites' });
  const filter = ann.getByRole('searchbox', { name: 'Find a site or device' });
  await ann.keyboard.press('/');
  await eventually('the filter has the focus', () => hasFocus(filter));
  await ann.keyboard.press('Tab');
  const lines = tree.getByRole('treeitem');
  assert.ok(await hasFocus(lines.nth(0)));
  await ann.keyboard.press('ArrowDown');
  assert.ok(await hasFocus(lines.nth(1)));
  await pressAll(ann, 'Tab', 'Tab');
  assert.is(await tree.locator(':focus').count(), 0, 'after the line and its button the tree is left');
  await pressAll(ann, 'Shift+Tab', 'Shift+Tab');
  assert.ok(await hasFocus(lines.nth(1)));
  assert.match(ann.url(), /#\/alarms$/);
});

test('what is written on each page can be read', async () => {
  const pages = [
    ...['live', 'playback', 'alarms', 'events', 'evidence-locks', 'retrievals', 'sites', 'configuration'],
    'integrity',
  ];
  for (const section of pages) {
    await ann.goto(new URL(`#/${section}`, network.ready.console).href);
    await ann.getByRole('heading', { level: 1 }).waitFor();
    await ann.getByText('Asking …').first().waitFor({ state: 'detached' });
    assert.equal(await ann.evaluate(faintTexts), [], section);
  }
  await pressAll(ann, 'g', 'a');
  await ann.getByRole('heading', { name: 'Alarms', level: 1 }).waitFor();
  await ann.keyboard.press('r');
  await ann.getByTestId('raise-alarm-dialog').getByRole('combobox').first().click();
  await ann.getByRole('option').first().waitFor();
  assert.equal(await ann.evaluate(faintTexts), [], 'a dialog with an open list');
  await pressAll(ann, 'Escape', 'Escape');
});

test('nothing went wrong in the browser meanwhile', () => {
  // Who goes to another page gives up what this one has asked for.
  const unexpected = browser.problems.filter(problem => !problem.startsWith('request: net::ERR_ABORTED'));
  assert.equal(unexpected, []);
});

if (chromiumPath() === null) {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [
    ...(skipped.HOLDFAST_SKIPPED ?? []),
    'without-a-mouse.e2e: no Chromium: install it, or name it in $CHROMIUM',
  ];
} else test.run();
