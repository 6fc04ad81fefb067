import type { Page } from 'playwright-core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConsoleBrowser, chromiumPath } from '../browser/console-browser.js';
import { OperatedNetwork } from '../browser/operated-network.js';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';
import { linkOf } from '../network/site-view.js';

const test = suite('operators at several screens');

let network: DemonstrationNetwork;
let operated: OperatedNetwork;
let browser: ConsoleBrowser;
let ann: Page;
let bob: Page;

const site = () => network.ready.sites[0]!;
const detailOf = (page: Page) => page.getByTestId('alarm-detail');

async function showAlarm(page: Page, id: string): Promise<void> {
  await page.goto(new URL(`#/alarms/${id}`, network.ready.console).href);
  await detailOf(page).getByTestId('alarm-acknowledge').waitFor();
}

/** The page goes on showing alarms as it does, until what is returned is called. */
async function holdScreen(page: Page): Promise<() => void> {
  const shown = Promise.withResolvers<void>();
  await page.route('**/graphql', async route => {
    if (/query Alarms?\b/.test(route.request().postData() ?? '')) await shown.promise;
    await route.continue();
  });
  return shown.resolve;
}

async function close(page: Page, reason: string): Promise<void> {
  await detailOf(page).getByTestId('alarm-close').click();
  await page.getByRole('dialog').getByLabel('In words').fill(reason);
  await page.getByTestId('close-alarm-submit').click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

test.before(async () => {
  network = await DemonstrationNetwork.create({ sites: 1 });
  await eventually('the link is up', async () => (await linkOf(network, site().id)).state === 'UP');
  operated = new OperatedNetwork(network);
  browser = await ConsoleBrowser.open(chromiumPath()!, network.ready.console);
  ann = browser.page;
  bob = await browser.newScreen();
  await Promise.all([operated.signIn(ann), operated.signIn(bob)]);
});

test.after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

test('who acknowledges on an old screen what somebody else has closed is told so, and sees it as it is', async () => {
  const id = await operated.raise('Gate forced');
  await Promise.all([showAlarm(ann, id), showAlarm(bob, id)]);
  const release = await holdScreen(bob);
  await close(ann, 'seen by the guard');
  await detailOf(bob).getByTestId('alarm-acknowledge').click();
  const notice = bob.getByTestId('notices').getByText(/this alarm was handled meanwhile: closed by admin at/);
  await notice.waitFor();
  assert.not.match((await notice.textContent()) ?? '', /[0-9a-f]{8}-|T\d\d:/);
  release();
  await detailOf(bob)
    .getByText(/Closed: Handled: seen by the guard/)
    .waitFor();
  await detailOf(bob).getByTestId('alarm-reopen').waitFor();
  assert.is((await operated.alarmOf(id)).state, 'CLOSED');
  // Whoever has seen that may open it again.
  await detailOf(bob).getByTestId('alarm-reopen').click();
  await eventually('it is open again', async () => (await operated.alarmOf(id)).state === 'IN_PROGRESS');
});

test('what one operator does quickly one after another is all done', async () => {
  const id = await operated.raise('Fence touched');
  await showAlarm(ann, id);
  const release = await holdScreen(ann);
  for (const key of ['a', 'i', 'h']) await ann.keyboard.press(key);
  await eventually('all three are done', async () => {
    const { state, assignedTo } = await operated.alarmOf(id);
    return state === 'ON_HOLD' && assignedTo === network.ready.user;
  });
  release();
});

test('while the link is down both may ask; the site does what came first, and the other hears of it when it is back', async () => {
  const id = await operated.raise('Roof hatch');
  await Promise.all([showAlarm(ann, id), showAlarm(bob, id)]);
  await network.command('link', 'cut', site().name, '--data', network.dataDirectory);
  await eventually('the link is down', async () => (await linkOf(network, site().id)).state === 'DOWN');
  await detailOf(ann).getByTestId('alarm-hold').click();
  await detailOf(ann)
    .getByText(/^Put on hold: alarm \d+, asked at/)
    .waitFor();
  // His own request that waits is no news to who asked for it.
  await close(ann, 'a bird');
  await detailOf(ann)
    .getByText(/^Close: alarm \d+, asked at/)
    .waitFor();
  await detailOf(bob).getByTestId('alarm-acknowledge').click();
  await detailOf(bob)
    .getByText(/^Acknowledge: alarm \d+, asked at/)
    .waitFor();
  assert.is((await operated.alarmOf(id)).state, 'NEW');
  await network.command('link', 'restore', site().name, '--data', network.dataDirectory);
  await bob
    .getByTestId('notices')
    .getByText(/Rejected: this alarm was handled meanwhile: put on hold by admin at .*, closed by admin at/)
    .waitFor();
  for (const page of [ann, bob]) {
    await detailOf(page)
      .getByText(/Closed: Handled: a bird/)
      .waitFor();
    await detailOf(page).getByText('The site has not answered yet.').waitFor({ state: 'detached' });
  }
  const { state, history } = await operated.alarmOf(id);
  assert.is(state, 'CLOSED');
  assert.equal(
    history.map(({ text }) => text),
    ['Raised', 'Put on hold', 'Closed: Handled: a bird'],
  );
});

test('a script may name what it has seen, and one that does not is served as ever', async () => {
  const id = await operated.raise('Window');
  const update = `mutation ($id: ID!, $state: AlarmState!, $seen: ID) {
    updateAlarm(id: $id, state: $state, expectedLastId: $seen) { command { state } alarm { lastEventId } } }`;
  const { lastEventId: seen } = await operated.alarmOf(id);
  await network.query(update, { id, state: 'CLOSED', seen });
  const { errors } = await network.tryQuery(update, { id, state: 'IN_PROGRESS', seen });
  const refused = errors?.[0];
  assert.is(refused?.extensions?.code, 'ALARM_HANDLED_MEANWHILE');
  assert.match(refused?.message ?? '', /closed by user:admin at \d{4}-/);
  const { updateAlarm } = await network.query<{ updateAlarm: { alarm: { lastEventId: string } } }>(update, {
    ...{ id, state: 'IN_PROGRESS' },
  });
  assert.is.not(updateAlarm.alarm.lastEventId, seen);
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
    'operators.e2e: no Chromium: install it, or name it in $CHROMIUM',
  ];
} else test.run();
