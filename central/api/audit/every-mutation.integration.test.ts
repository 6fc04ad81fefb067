import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type CentralFixture,
  newDeviceId,
  openCentralFixture,
  siteFacts,
} from '../../http/central-http.fixture.js';
import { createApiSchema } from '../api-schema.js';

const test = suite('what operators do is in the audit trail');
const camera = { id: newDeviceId(), name: 'Gate' };
let central: CentralFixture;
let ids: Record<'recordingServer' | 'hardware' | 'alarm' | 'lock' | 'retrieval', string>;

interface Answer {
  // biome-ignore lint/suspicious/noExplicitAny: answers of a test are looked at, not typed.
  readonly data: any;
  readonly errors?: readonly { readonly message: string }[];
}

async function ask(query: string): Promise<Answer> {
  const response = await fetch(`http://${central.origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${central.token}` },
    body: JSON.stringify({ query }),
  });
  return (await response.json()) as Answer;
}

async function must(query: string) {
  const { data, errors } = await ask(query);
  assert.is(errors, undefined, `${query}: ${JSON.stringify(errors)}`);
  return data;
}

test.before(async () => {
  central = await openCentralFixture();
  const { own, site, ports } = central;
  Object.assign(ports, {
    linkControl: { state: async () => 'UP', cut: async () => undefined, restore: async () => undefined },
  });
  const { events, recordingServerId } = siteFacts(own, 'Centre', [camera]);
  await central.takeIn(...events);
  await central.projections.projector.catchUp();
  Object.assign(site, { silent: false, awaited: new Set([own.site]) });
  const span = 'from: "2026-11-20T12:00:00Z", to: "2026-11-20T12:10:00Z"';
  const { device } = await must(`{ device(id: "${camera.id}") { hardware { id } } }`);
  const { raiseAlarm } = await must('mutation { raiseAlarm(name: "Door") { alarm { id } } }');
  const { createEvidenceLock } = await must(
    `mutation { createEvidenceLock(deviceIds: ["${camera.id}"], ${span}, headline: "H") { evidenceLock { id } } }`,
  );
  const { requestRetrieval } = await must(
    `mutation { requestRetrieval(deviceIds: ["${camera.id}"], ${span}) { id } }`,
  );
  ids = {
    recordingServer: recordingServerId,
    hardware: device.hardware.id,
    alarm: raiseAlarm.alarm.id,
    lock: createEvidenceLock.evidenceLock.id,
    retrieval: requestRetrieval[0].id,
  };
});
test.after(() => central[Symbol.asyncDispose]());

/** One call of each mutation of the API; the name that the audit trail gives it. */
function calls(): Readonly<Record<string, readonly [call: string, action: string]>> {
  const device = `deviceId: "${camera.id}"`;
  const span = 'from: "2026-11-20T13:00:00Z", to: "2026-11-20T13:10:00Z"';
  const site = `siteId: "${central.own.site}"`;
  return {
    addHardware: [
      `(camera: { name: "x", address: "rtsp://192.0.2.1/" }, ${site}, recordingServerId: "${ids.recordingServer}") { command { id } }`,
      'AddHardware',
    ],
    cancelRetrieval: [`(id: "${ids.retrieval}") { id }`, 'RetrievalCancelled'],
    createBookmark: [`(${device}, header: "x", reference: "r") { command { id } }`, 'CreateBookmark'],
    createEvidenceLock: [
      `(deviceIds: ["${camera.id}"], ${span}, headline: "x") { command { id } }`,
      'CreateEvidenceLock',
    ],
    cutLink: [`(${site}) { id }`, 'EmulatedLinkCut'],
    eraseSubject: ['(userName: "somebody") { id }', 'EraseSubject'],
    extendEvidenceLock: [`(id: "${ids.lock}", expiresAt: null) { command { id } }`, 'ExtendEvidenceLock'],
    goToPtzPreset: [`(${device}, presetId: "1") { device { id } }`, 'PtzMoved'],
    moveHardware: [
      `(id: "${ids.hardware}", toRecordingServerId: "${ids.recordingServer}") { command { id } }`,
      'MoveHardware',
    ],
    movePtz: [`(${device}, pan: 1) { device { id } }`, 'PtzMoved'],
    raiseAlarm: ['(name: "Fire") { command { id } }', 'RaiseAlarm'],
    rebuildProjections: ['(names: ["bookmarks"]) { name }', 'ProjectionRebuildRequested'],
    releaseEvidenceLock: [`(id: "${ids.lock}") { command { id } }`, 'ReleaseEvidenceLock'],
    releaseQuarantine: ['(projection: "bookmarks") { leftCount }', 'QuarantineReleaseRequested'],
    requestRetrieval: [`(deviceIds: ["${camera.id}"], ${span}) { id }`, 'RetrievalRequested'],
    restoreLink: [`(${site}) { id }`, 'EmulatedLinkRestored'],
    startRecording: [`(${device}) { command { id } }`, 'StartRecording'],
    stopRecording: [`(${device}) { command { id } }`, 'StopRecording'],
    updateAlarm: [`(id: "${ids.alarm}", comment: "seen") { command { id } }`, 'HandleAlarm'],
    writeOffSite: [`(${site})`, 'SiteWrittenOff'],
    updateDevice: [`(id: "${camera.id}", name: "Gate 2") { command { id } }`, 'ConfigureDevice'],
  };
}

/** Those that need no entry of their own. */
const others: Readonly<Record<string, string>> = {
  deletePtzPreset: 'the recording server writes who asked',
  releasePtz: 'the recording server writes who asked',
  renamePtzPreset: 'the recording server writes who asked',
  reservePtz: 'the recording server writes who asked',
  savePtzPreset: 'the recording server writes who asked: the next test',
  setCameraOutput: 'the recording server writes who asked: the next test',
  stopPtz: 'ends, what movePtz began, before it ends by itself',
};

test('each mutation of the API leaves an entry with who, when and what', async () => {
  const schema = createApiSchema({ ports: {} } as never);
  const all = calls();
  assert.equal(
    [...Object.keys(all), ...Object.keys(others)].sort(),
    Object.keys(schema.getMutationType()!.getFields()).sort(),
  );
  for (const [name, [call, action]] of Object.entries(all)) {
    // The sites of the fixture refuse some of it, which the trail tells as well.
    await ask(`mutation { ${name}${call} }`);
    await central.projections.projector.catchUp();
    const { auditTrail } = await must(
      '{ auditTrail(filter: { actor: "user:admin" }, first: 3) { edges { node { at actor action subject } } } }',
    );
    const entry = auditTrail.edges
      .map(({ node }: { node: { action: string; at: string } }) => node)
      .find(({ action: found }: { action: string }) => found === action);
    assert.ok(entry, `${name} left no entry ${action}: ${JSON.stringify(auditTrail.edges)}`);
    assert.is(entry.actor, 'user:admin');
    assert.ok(Date.parse(entry.at) > 0, name);
  }
});

test('who asked a recording server to switch an output, or spoke, is in the trail too', async () => {
  const { own, ports } = central;
  const askedBy = `user:${ports.personal.seal(ports.personal.subjectOfUser('anna'), 'anna')}`;
  const atMs = Date.now();
  const common = { hardwareId: ids.hardware as never, deviceId: camera.id, atMs, askedBy };
  const at = { ...common, recordingServerId: ids.recordingServer as never };
  const stream = `hardware-signals-${ids.hardware}`;
  await central.takeIn(
    own.event(stream, { type: 'OutputActivated', data: { ...at, output: '1' } }),
    own.event(stream, { type: 'SpeakingStarted', data: at }),
    own.event(stream, { type: 'PtzSessionStarted', data: { ...at, priority: 5000, reserved: true } }),
    own.event(stream, { type: 'PtzPresetSaved', data: { ...at, preset: '7', name: 'Yard' } }),
  );
  await central.projections.projector.catchUp();
  const { auditTrail } = await must(
    '{ auditTrail(filter: { actor: "user:anna" }, first: 5) { edges { node { action } } } }',
  );
  assert.equal(
    auditTrail.edges.map(({ node }: { node: { action: string } }) => node.action),
    ['PtzPresetSaved', 'PtzSessionStarted', 'SpeakingStarted', 'OutputActivated'],
  );
});

test.run();
