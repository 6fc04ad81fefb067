import { randomUUID } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type CentralFixture,
  newDeviceId,
  openCentralFixture,
  siteFacts,
} from '../../http/central-http.fixture.js';

const test = suite('erasure of personal data');
let central: CentralFixture;
let alarmId: string;

// biome-ignore lint/suspicious/noExplicitAny: answers of a test are looked at, not typed.
async function ask(query: string, variables: object = {}): Promise<any> {
  const response = await fetch(`http://${central.origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${central.token}` },
    body: JSON.stringify({ query, variables: { id: alarmId, ...variables } }),
  });
  return response.json();
}

const SHOW = `query ($id: ID!, $stream: String, $actor: String) {
  alarm(id: $id) { name message history { actor text } }
  events(filter: { stream: $stream }) { edges { node { type actor data } } }
  auditTrail(filter: { actor: $actor }) { edges { node { actor action } } }
}`;
const comment = 'It was "Jörg" again.';

const show = async () => (await ask(SHOW, { stream: `alarm-${alarmId}`, actor: 'user:admin' })).data;

// biome-ignore lint/suspicious/noExplicitAny: see above.
const commentsIn = (data: any) =>
  data.events.edges
    // biome-ignore lint/suspicious/noExplicitAny: see above.
    .filter(({ node }: any) => node.type === 'AlarmCommented')
    // biome-ignore lint/suspicious/noExplicitAny: see above.
    .map(({ node }: any) => JSON.parse(node.data).comment);

test.before(async () => {
  central = await openCentralFixture();
  await central.takeIn(...siteFacts(central.own, 'Centre', [{ id: newDeviceId(), name: 'Lobby' }]).events);
  const raised = await ask(
    'mutation { raiseAlarm(name: "Door", message: "Jörg has forced it") { alarm { id } } }',
  );
  alarmId = raised.data.raiseAlarm.alarm.id;
  const handled = await ask(
    'mutation ($id: ID!, $comment: String) { updateAlarm(id: $id, comment: $comment) { command { state } } }',
    { comment },
  );
  assert.is(handled.errors, undefined);
});
test.after(async () => {
  await central[Symbol.asyncDispose]();
});

test('logs and read models hold sealed text only; whoever is signed in reads it', async () => {
  const data = await show();
  assert.match(data.alarm.history.at(-1).text, comment);
  assert.is(data.alarm.history.at(-1).actor, 'user:admin');
  assert.equal(commentsIn(data), [comment]);
  assert.is(data.alarm.message, 'Jörg has forced it');
  assert.ok(data.auditTrail.edges.length > 0);
  const { sql } = central.database;
  const [stored] = await sql<{ n: number }[]>`
    select count(*) as n from replica_event
    where stream in (${`alarm-${alarmId}`}, ${`wishes-${central.own.site}`})
      and (convert_from(data, 'UTF8') like '%Jörg%' or actor like '%admin%')`;
  assert.is(stored!.n, 0);
  const [folded] = await sql<{ n: number }[]>`
    select count(*) as n from alarm_history where text like '%Jörg%' or actor like '%admin%'`;
  assert.is(folded!.n, 0);
  const [alarm] = await sql<{ message: string }[]>`select message from alarm where id = ${alarmId}`;
  assert.not.match(alarm!.message, 'Jörg');
});

test('after an alarm was erased, what was written about it is gone, and nothing else', async () => {
  const erase = 'mutation ($subject: String) { eraseSubject(subject: $subject) { state } }';
  const erased = await ask(erase, { subject: `alarm-${alarmId}` });
  assert.is(erased.data?.eraseSubject.state, 'APPLIED', JSON.stringify(erased));
  const data = await show();
  assert.equal(commentsIn(data), ['[erased]']);
  assert.equal([data.alarm.name, data.alarm.message], ['Door', '[erased]']);
  assert.not.match(data.alarm.history.at(-1).text, 'Jörg');
  assert.is(data.alarm.history.at(-1).actor, 'user:admin');
});

test('after a user was erased, nobody can tell who it was', async () => {
  const erased = await ask('mutation { eraseSubject(userName: "admin") { state } }');
  assert.is(erased.data?.eraseSubject.state, 'APPLIED', JSON.stringify(erased));
  const data = await show();
  assert.is(data.alarm.history.at(-1).actor, 'user:[erased]');
});

test('what cannot be a subject, or both ways to name one, is refused by name', async () => {
  for (const args of ['subject: "Jörg"', `subject: "alarm-${randomUUID()}", userName: "a"`]) {
    const { errors } = await ask(`mutation { eraseSubject(${args}) { state } }`);
    assert.is(errors[0].extensions.code, 'BAD_USER_INPUT');
  }
  assert.is((await ask('mutation { eraseSubject { state } }')).errors[0].extensions.code, 'BAD_USER_INPUT');
});

test.run();
