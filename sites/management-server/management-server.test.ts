import { createHash } from 'node:crypto';
import {
  createMemorySiteLog,
  decodeEventData,
  type FoldSnapshot,
  type FoldStore,
  LOG_START,
  type NewEvent,
  newEvent,
  noFoldStore,
  type RecordedEvent,
  type SiteLog,
  type SubjectKeyRing,
} from '@holdfast/core';
import {
  type AlarmId,
  type CommandId,
  type DeviceId,
  type EventId,
  type HardwareId,
  type RecordingServerId,
  type SiteCommand,
  type SiteId,
  type StorageId,
} from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ManagementServer } from './management-server.js';

const test = suite('management server');
const id = <Id>() => v7() as Id;
const parent = id<SiteId>();
const sha256 = (...parts: readonly Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

async function openSite(now: () => number = () => 1_000_000) {
  const siteId = id<SiteId>();
  const log = createMemorySiteLog({ site: siteId, now, sha256 });
  const options = {
    log,
    siteId,
    now,
    newId: () => id<EventId>(),
    logger: pino({ level: 'silent' }),
    folds: noFoldStore,
    subjectKeys: keys,
  };
  const server = await ManagementServer.open(options);
  const context = { actor: 'user:admin' };
  await server.administer(
    { kind: 'EstablishSite', siteId, name: 'Bus 12', sealingPublicKey: 'AAAA' },
    context,
  );
  const [first, second] = [id<RecordingServerId>(), id<RecordingServerId>()];
  for (const recordingServerId of [first, second]) {
    await server.administer({ kind: 'RegisterRecordingServer', recordingServerId, name: 'RS' }, context);
  }
  const types = async () => (await log.read({ after: LOG_START, limit: 1000 })).map(event => event.type);
  return {
    siteId,
    log,
    server,
    context,
    first,
    second,
    types,
    reopen: (over: SiteLog = log) => ManagementServer.open({ ...options, log: over }),
  };
}

function addHardware(recordingServerId: RecordingServerId) {
  return {
    ...{ kind: 'AddHardware', hardwareId: id<HardwareId>(), name: 'Door', address: 'rtsp://10.0.0.1/1' },
    ...{ sealedCredentials: null, recordingServerId },
    devices: [{ deviceId: id<DeviceId>(), type: 'CAMERA', name: 'Door' }],
  } as const satisfies SiteCommand;
}

/** Keys that only know whether they are there. */
const keyIds = new Map<string, string[]>();
const keys: SubjectKeyRing = {
  keyIdsOf: subject => keyIds.get(subject) ?? [],
  destroy: ({ keyIds: destroyed }) => {
    for (const [subject, ids] of keyIds)
      keyIds.set(
        subject,
        ids.filter(keyId => !destroyed.includes(keyId)),
      );
  },
};

/** Wishes as they come down: events of the parent's own log. */
async function wishes(
  target: SiteId,
  ...commands: readonly [SiteCommand, { notAfterMs?: number; id?: EventId }?][]
) {
  const log = createMemorySiteLog({ site: parent, now: () => 1, sha256 });
  const stream = `wishes-${target}`;
  const events = commands.map(([command, options]) =>
    newEvent(
      {
        type: 'CommandIssued',
        data: {
          commandId: id<CommandId>(),
          targetSiteId: target,
          command,
          notAfterMs: options?.notAfterMs ?? null,
        },
      },
      { id: options?.id ?? id<EventId>(), actor: 'user:ann', occurredAtMs: 1, clockQuality: 'UNKNOWN' },
    ),
  );
  await log.append([{ stream, expected: 'any', events }]);
  return log.readStream({ stream, afterRevision: null, limit: 100 });
}

const answersOf = async (log: SiteLog) =>
  (await log.readStream({ stream: `answers-${parent}`, afterRevision: null, limit: 100 })).map(
    (event: RecordedEvent) => decodeEventData(event),
  );

test('an accepted command is in the log and in the state when it is answered', async () => {
  const { server, first, second, context, types } = await openSite();
  const add = addHardware(first);
  assert.is((await server.execute(add, context)).accepted, true);
  const move = { kind: 'MoveHardware', hardwareId: add.hardwareId, toRecordingServerId: second } as const;
  assert.is((await server.execute(move, context)).accepted, true);
  assert.is(server.state.hardware.get(add.hardwareId)?.recordingServerId, second);
  assert.equal((await types()).slice(-2), ['HardwareAdded', 'HardwareMoved']);
});

test('hardware moves into a storage that is named, in one append, and to none that there is not', async () => {
  const { server, first, second, context, types } = await openSite();
  const add = addHardware(first);
  await server.execute(add, context);
  const [storageId, other] = [id<StorageId>(), id<StorageId>()];
  const stage = { retentionDays: 30, byteLengthMax: null, freeBytesLow: 1_000_000_000 };
  for (const [index, one] of [storageId, other].entries()) {
    const configured = await server.administer(
      {
        ...{ kind: 'ConfigureStorage', recordingServerId: second, storageId: one, name: `Disk ${index}` },
        ...{ isDefault: index === 0, encryption: 'NONE', archives: [] },
        live: { path: index === 0 ? null : '/mnt/second', ...stage },
      },
      context,
    );
    assert.equal(configured.accepted || configured, true);
  }
  const move = { kind: 'MoveHardware', hardwareId: add.hardwareId, toRecordingServerId: second } as const;
  const refused = await server.execute({ ...move, toStorageId: id<StorageId>() }, context);
  assert.equal(refused.accepted || refused.code, 'STORAGE_NOT_FOUND');
  assert.match(refused.accepted ? '' : refused.message, /it has Disk 0, Disk 1$/);
  assert.is(server.state.hardware.get(add.hardwareId)?.recordingServerId, first);
  assert.is((await server.execute({ ...move, toStorageId: other }, context)).accepted, true);
  assert.equal((await types()).slice(-2), ['DeviceStorageAssigned', 'HardwareMoved']);
  const { deviceId } = add.devices[0]!;
  assert.is(server.state.recordingServers.get(second)?.storageOfDevice.get(deviceId), other);
  // Back and there again, it goes where it was.
  await server.execute({ ...move, toRecordingServerId: first }, context);
  assert.is((await server.execute(move, context)).accepted, true);
  assert.equal((await types()).slice(-2), ['HardwareMoved', 'HardwareMoved']);
});

test('a refusal writes nothing', async () => {
  const { server, context, types } = await openSite();
  const before = await types();
  const outcome = await server.execute({ kind: 'RemoveHardware', hardwareId: id<HardwareId>() }, context);
  assert.equal(outcome.accepted || outcome.code, 'HARDWARE_NOT_FOUND');
  assert.equal(await types(), before);
});

test('commands given at once are decided one after the other', async () => {
  const { server, first, context } = await openSite();
  const add = addHardware(first);
  const outcomes = await Promise.all([1, 2, 3].map(() => server.execute(add, context)));
  assert.equal(
    outcomes.map(outcome => outcome.accepted),
    [true, false, false],
  );
});

test('alarms are numbered in the order they were raised', async () => {
  const { server, log, context } = await openSite();
  const raise = (name: string) =>
    ({
      kind: 'RaiseAlarm',
      alarmId: id<AlarmId>(),
      name,
      message: '',
      priority: 1,
      sourceDeviceId: null,
    }) as const;
  await Promise.all([server.execute(raise('a'), context), server.execute(raise('b'), context)]);
  const numbers = (await log.read({ after: LOG_START, limit: 100 }))
    .map(event => decodeEventData(event))
    .flatMap(event => (event.type === 'AlarmRaised' ? [event.data.localNumber] : []));
  assert.equal(numbers, [1, 2]);
});

test('wishes are answered once and in order, also when they come again and after a restart', async () => {
  const { server, siteId, first, log, types, reopen } = await openSite();
  const add = addHardware(first);
  const sent = await wishes(siteId, [add], [add], [addHardware(first), { notAfterMs: 5 }]);
  await server.wishSink(parent).accept(sent.slice(0, 2));
  await server.wishSink(parent).accept(sent);
  const restarted = await reopen();
  assert.is((await restarted.wishSink(parent).cursor())?.revision, 2);
  await restarted.wishSink(parent).accept(sent);
  const answers = await answersOf(log);
  assert.equal(
    answers.map(answer => answer.type),
    ['CommandApplied', 'CommandRejected', 'CommandExpired'],
  );
  assert.is((await types()).filter(type => type === 'HardwareAdded').length, 1);
});

test('a parent that lost wishes and numbers new ones anew gets an answer to each, and none that is answered is done again', async () => {
  const { server, siteId, first, log, types, reopen } = await openSite();
  const [one, two, three] = await wishes(
    siteId,
    [addHardware(first)],
    [addHardware(first)],
    [addHardware(first)],
  );
  await server.wishSink(parent).accept([one!, two!, three!]);
  const [fourth] = await wishes(siteId, [addHardware(first)]);
  // Its log has the first one and, where the second was, another, then the third, as what was recorded in between was repeated.
  const anew = [one!, { ...fourth!, revision: 1 }, { ...three!, revision: 2 }];
  await server.wishSink(parent).accept(anew);
  await server.wishSink(parent).accept(anew);
  const restarted = await reopen();
  const cursor = await restarted.wishSink(parent).cursor();
  assert.equal([cursor?.revision, cursor?.wishId, cursor?.answerCount], [1, fourth!.id, 4]);
  await restarted.wishSink(parent).accept(anew.slice(2));
  assert.is((await answersOf(log)).length, 4);
  assert.is((await types()).filter(type => type === 'HardwareAdded').length, 4);
});

test('a wish is answered in the same append as what it brought about, and names its cause', async () => {
  const { server, siteId, first, log } = await openSite();
  const [wish] = await wishes(siteId, [addHardware(first)]);
  await server.wishSink(parent).accept([wish!]);
  const [added, applied] = (await log.read({ after: LOG_START, limit: 100 })).slice(-2);
  assert.equal([added!.type, applied!.type], ['HardwareAdded', 'CommandApplied']);
  assert.equal([added!.causationId, applied!.causationId], [wish!.id, wish!.id]);
  assert.is(added!.actor, 'user:ann');
});

test('a wish for another site, or in words not known here, is rejected by name', async () => {
  const { server, siteId, first, log } = await openSite();
  const [elsewhere] = await wishes(id<SiteId>(), [addHardware(first)]);
  await server.wishSink(parent).accept([elsewhere!]);
  const [wish] = await wishes(siteId, [addHardware(first)]);
  const data = JSON.parse(Buffer.from(wish!.data).toString());
  data.command.kind = 'DanceHardware';
  await server.wishSink(parent).accept([{ ...wish!, revision: 1, data: Buffer.from(JSON.stringify(data)) }]);
  const codes = (await answersOf(log)).map(answer => answer.type === 'CommandRejected' && answer.data.code);
  assert.equal(codes, ['WRONG_SITE', 'NOT_UNDERSTOOD']);
});

test('a command on what others write again and again is refused by name, after some tries', async () => {
  const { log, server, context } = await openSite();
  const alarmId = id<AlarmId>();
  const append = log.append.bind(log);
  let tries = 0;
  log.append = async appends => {
    if (appends.some(({ stream }) => stream === `alarm-${alarmId}`)) tries += 1;
    const comment = { type: 'AlarmCommented', data: { alarmId, comment: 'first' } } as const;
    const other = newEvent(comment, {
      ...{ id: id<EventId>(), actor: 'user:ann', occurredAtMs: 1, clockQuality: 'UNKNOWN' },
    });
    await append([{ stream: `alarm-${alarmId}`, expected: 'any', events: [other] }]);
    return append(appends);
  };
  const raise = { kind: 'RaiseAlarm', alarmId, name: 'Door', message: '', priority: 1 } as const;
  const outcome = await server.execute({ ...raise, sourceDeviceId: null }, context);
  assert.is(outcome.accepted === false && outcome.code, 'CONFLICT');
  assert.is(tries, 5);
});

test('more commands than can be decided soon are refused by name, and those that wait are decided', async () => {
  const { server, context } = await openSite();
  const command = { kind: 'HandleAlarm', alarmId: id<AlarmId>(), comment: 'x' } as const;
  const waiting = Array.from({ length: 1000 }, () => server.execute(command, context));
  const tooMany = await server.execute(command, context).catch(error => error);
  assert.is(tooMany.code, 'TOO_MANY_COMMANDS');
  for (const outcome of await Promise.all(waiting))
    assert.is(outcome.accepted === false && outcome.code, 'ALARM_NOT_FOUND');
  assert.not((await server.execute(command, context)).accepted);
});

test('wishes of two operators about an alarm that wait for its site do not undo each other, and those of one follow each other', async () => {
  const { server, siteId, log, context } = await openSite();
  const alarmId = id<AlarmId>();
  const raise = { kind: 'RaiseAlarm', alarmId, name: 'Door', message: '', priority: 1 } as const;
  await server.execute({ ...raise, sourceDeviceId: null }, context);
  const stream = `alarm-${alarmId}`;
  const [raised] = await log.readStream({ stream, afterRevision: null, limit: 10 });
  const handle = { kind: 'HandleAlarm', alarmId } as const;
  const [ann, bob, annAgain] = [id<EventId>(), id<EventId>(), id<EventId>()];
  const sent = await wishes(
    siteId,
    [{ ...handle, state: 'ON_HOLD', comment: 'wait', expectedLastId: raised!.id }, { id: ann }],
    [{ ...handle, state: 'CLOSED', expectedLastId: ann }, { id: annAgain }],
    [{ ...handle, state: 'IN_PROGRESS', expectedLastId: raised!.id }, { id: bob }],
    // Of whom nothing was done, nothing follows.
    [{ ...handle, state: 'IN_PROGRESS', expectedLastId: bob }],
    [{ ...handle, comment: 'too late', expectedLastId: raised!.id }],
  );
  await server.wishSink(parent).accept(sent);
  const answers = await answersOf(log);
  assert.equal(
    answers.map(answer => (answer.type === 'CommandRejected' ? answer.data.code : answer.type)),
    [
      ...['CommandApplied', 'CommandApplied', 'ALARM_HANDLED_MEANWHILE', 'ALARM_HANDLED_MEANWHILE'],
      'CommandApplied',
    ],
  );
  const [, , refused] = answers;
  assert.match(
    refused?.type === 'CommandRejected' ? refused.data.message : '',
    /put on hold by user:ann at .*, commented on by user:ann at .*, closed by user:ann at /,
  );
  const alarm = await server.alarm(alarmId);
  assert.is(alarm?.state, 'CLOSED');
});

test('a wish that cannot be read at all is rejected, and the one behind it is applied', async () => {
  const { server, siteId, first, log } = await openSite();
  const [broken, good] = await wishes(siteId, [addHardware(first)], [addHardware(first)]);
  await server.wishSink(parent).accept([{ ...broken!, data: Buffer.from('{') }, good!]);
  const answers = await answersOf(log);
  assert.equal(
    answers.map(answer => answer.type),
    ['CommandRejected', 'CommandApplied'],
  );
  assert.is((await server.wishSink(parent).cursor())?.revision, 1);
});

/** As if newer software had written it. */
async function appendNewer(
  log: SiteLog,
  stream: string,
  type: string,
  version: number,
  causationId: EventId | null = null,
): Promise<void> {
  const event: NewEvent = {
    ...{ id: id<EventId>(), type, version, data: Buffer.from('{"what":"this software cannot know"}') },
    ...{
      actor: 'user:ann',
      occurredAtMs: 1,
      clockQuality: 'UNKNOWN',
      causationId,
      correlationId: null,
    },
  } as const;
  await log.append([{ stream, expected: 'any', events: [event] }]);
}

const codeOf = (outcome: { readonly accepted: boolean; readonly code?: string }) =>
  outcome.code ?? 'accepted';

test('older software refuses commands on what newer software wrote about, by name, and takes all others', async () => {
  const { server, first, second, context, log, reopen } = await openSite();
  const [touched, other] = [addHardware(first), addHardware(first)];
  await server.execute(touched, context);
  await server.execute(other, context);
  const alarmId = id<AlarmId>();
  const raise = { kind: 'RaiseAlarm', alarmId, name: 'a', message: '', priority: 1 } as const;
  await server.execute({ ...raise, sourceDeviceId: null }, context);
  await appendNewer(log, `hardware-${touched.hardwareId}`, 'HardwareRelocated', 1);
  await appendNewer(log, `alarm-${alarmId}`, 'AlarmClosed', 200);
  const downgraded = await reopen();
  const move = { kind: 'MoveHardware', toRecordingServerId: second } as const;
  const refused = await downgraded.execute({ ...move, hardwareId: touched.hardwareId }, context);
  assert.is(codeOf(refused), 'STREAM_NOT_READABLE');
  assert.match(
    refused.accepted ? '' : refused.message,
    /^hardware-.* holds at 1\/\d+ .*HardwareRelocated version 1/,
  );
  const handled = await downgraded.execute({ kind: 'HandleAlarm', alarmId, state: 'IN_PROGRESS' }, context);
  assert.is(codeOf(handled), 'STREAM_NOT_READABLE');
  assert.is(codeOf(await downgraded.execute({ ...move, hardwareId: other.hardwareId }, context)), 'accepted');
  assert.is(downgraded.state.hardware.get(touched.hardwareId)?.recordingServerId, first);
});

test('that the log cannot be read in full is one alarm, also after another restart', async () => {
  const { log, reopen } = await openSite();
  await appendNewer(log, 'rule-1', 'RuleSaved', 1);
  await reopen();
  await reopen();
  const alarms = (await log.read({ after: LOG_START, limit: 100 })).filter(
    event => event.type === 'AlarmRaised',
  );
  assert.is(alarms.length, 1);
  const raised = decodeEventData(alarms[0]!);
  assert.is(raised.type === 'AlarmRaised' && raised.data.name, 'The log cannot be read in full');
});

test('a wish that newer software answered is not answered again', async () => {
  const { siteId, first, server, log, reopen } = await openSite();
  const sent = await wishes(siteId, [addHardware(first)], [addHardware(first)], [addHardware(first)]);
  await server.wishSink(parent).accept(sent.slice(0, 1));
  await appendNewer(log, `answers-${parent}`, 'CommandApplied', 200, sent[1]!.id);
  const downgraded = await reopen();
  assert.is((await downgraded.wishSink(parent).cursor())?.revision, 1);
  await downgraded.wishSink(parent).accept(sent);
  const types = (await log.readStream({ stream: `answers-${parent}`, afterRevision: null, limit: 10 })).map(
    event => `${event.type} ${event.version}`,
  );
  assert.equal(types, ['CommandApplied 1', 'CommandApplied 200', 'CommandApplied 1']);
});

test('a restart goes on from the kept fold, and knows the same as if it had folded everything', async () => {
  const { log, first, second, server, context, siteId } = await openSite();
  const add = addHardware(first);
  await server.execute(add, context);
  await server.execute(addHardware(second), context);
  let kept: FoldSnapshot | null = null;
  const folds: FoldStore = {
    load: async () => kept as FoldSnapshot | null,
    save: async (_, snapshot) => {
      kept = snapshot;
    },
  };
  let readCount = 0;
  const counted: SiteLog = {
    ...log,
    append: appends => log.append(appends),
    head: () => log.head(),
    readStream: options => log.readStream(options),
    read: async options => {
      const page = await log.read(options);
      readCount += page.length;
      return page;
    },
  };
  const now = () => 1;
  const options = {
    subjectKeys: keys,
    log: counted,
    siteId,
    now,
    newId: () => id<EventId>(),
    folds,
    logger: pino({ level: 'silent' }),
  };
  const before = await ManagementServer.open(options);
  const stop = new AbortController();
  const run = before.run(stop.signal);
  stop.abort();
  await run;
  const move = { kind: 'MoveHardware', hardwareId: add.hardwareId, toRecordingServerId: second } as const;
  await server.execute(move, context);
  readCount = 0;
  const after = await ManagementServer.open(options);
  assert.is(readCount, 2, 'the event of the snapshot, and the one behind it');
  const folded = await ManagementServer.open({ ...options, folds: noFoldStore });
  assert.equal(after.state, folded.state);
  assert.ok((await after.execute({ ...move, toRecordingServerId: first }, context)).accepted);
});

test('a subject is erased by a fact that names its keys, which are destroyed with it, also after a kill in between', async () => {
  const { server, context, log, reopen } = await openSite();
  const subject = `alarm-${id()}`;
  const erase = { kind: 'EraseSubject', subject } as const;
  assert.is(codeOf(await server.execute(erase, context)), 'SUBJECT_NOT_FOUND');
  const keyId = id<string>();
  keyIds.set(subject, [keyId]);
  assert.ok((await server.execute(erase, context)).accepted);
  const [erased] = await log.readStream({ stream: `subject-${subject}`, afterRevision: null, limit: 10 });
  assert.equal(decodeEventData(erased!), { type: 'SubjectErased', data: { subject, keyIds: [keyId] } });
  assert.equal(keyIds.get(subject), []);
  const later = id<string>();
  keyIds.set(subject, [keyId, later]);
  const reopened = await reopen();
  assert.equal(keyIds.get(subject), [later], 'what was sealed since is not erased');
  assert.ok((await reopened.execute(erase, context)).accepted);
  assert.equal(keyIds.get(subject), []);
});

test.run();
