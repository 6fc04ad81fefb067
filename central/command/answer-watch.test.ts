import { createMemorySiteLog, LOG_START, newEvent } from '@holdfast/core';
import { createMemoryReplicaIntake } from '@holdfast/interconnect';
import type { CommandId, EventId, SiteId } from '@holdfast/schema';
import { newUuid, sha256 } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AnswerWatch } from './answer-watch.js';

const test = suite('answer watch');
const [child, parent] = [newUuid<SiteId>(), newUuid<SiteId>()];

async function commitAnswer(watch: AnswerWatch, commandId: CommandId, data?: Uint8Array): Promise<string> {
  const log = createMemorySiteLog({ site: child, now: () => 1, sha256 });
  const applied = newEvent(
    { type: 'CommandApplied', data: { commandId, parentSiteId: parent, wishRevision: 0 } },
    { id: newUuid<EventId>(), actor: `site:${child}`, occurredAtMs: 1, clockQuality: 'UNKNOWN' },
  );
  await log.append([{ stream: `answers-${parent}`, expected: 'none', events: [applied] }]);
  const intake = watch.watch(createMemoryReplicaIntake());
  const { fence, cursor } = await intake.openSession(child);
  const recorded = await log.read({ after: LOG_START, limit: 10 });
  const events = recorded.map(event => (data ? { ...event, data } : event));
  const after = { epoch: 1, position: events.length, treeEdge: [] };
  return intake.commit({ site: child, fence, before: cursor, after, events });
}

test('an answer is seen when it is durable', async () => {
  const watch = new AnswerWatch();
  const commandId = newUuid<CommandId>();
  const waiting = watch.answerTo(commandId, child, 10_000);
  assert.is(await commitAnswer(watch, commandId), 'COMMITTED');
  assert.is((await waiting)?.type, 'CommandApplied');
});

test('only the site that was asked may answer', async () => {
  const watch = new AnswerWatch();
  const commandId = newUuid<CommandId>();
  const waiting = watch.answerTo(commandId, newUuid<SiteId>(), 50);
  await commitAnswer(watch, commandId);
  assert.is(await waiting, null);
});

test('an answer that nobody can read does not undo the commit that holds it', async () => {
  const watch = new AnswerWatch();
  const commandId = newUuid<CommandId>();
  const waiting = watch.answerTo(commandId, child, 50);
  assert.is(await commitAnswer(watch, commandId, new TextEncoder().encode('{}')), 'COMMITTED');
  assert.is(await waiting, null);
});

test('no answer in time is no answer, and an answer to another command is not taken for it', async () => {
  const watch = new AnswerWatch();
  const waiting = watch.answerTo(newUuid<CommandId>(), child, 50);
  await commitAnswer(watch, newUuid<CommandId>());
  assert.is(await waiting, null);
});

test.run();
