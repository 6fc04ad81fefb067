import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConfigurationError, parseConfiguration } from './configuration-file.js';
import { SiteConfiguration } from './site-configuration.js';

const test = suite('configuration file');

const valid = `role: site
site:
  id: 018f0000-0000-7000-8000-000000000001
  name: Bus 12
data: ./data
`;

function faultsOf(text: string) {
  try {
    parseConfiguration('bus.yaml', text, SiteConfiguration);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults;
    throw error;
  }
  return [];
}

test('a short configuration is complete by its defaults', () => {
  const configuration = parseConfiguration('bus.yaml', valid, SiteConfiguration);
  assert.is(configuration.site.name, 'Bus 12');
  assert.equal(configuration.operations, { host: '127.0.0.1', port: 0 });
});

test('a wrong value is named with its line and what was expected', () => {
  const [fault] = faultsOf(`${valid}operations:\n  port: eighty\n`);
  assert.equal([fault!.line, fault!.column, fault!.path], [7, 9, 'operations.port']);
  assert.match(fault!.message, 'expected a port number');
});

test('an unknown setting is a fault at its own line', () => {
  const [fault] = faultsOf(`${valid}recordingServer: []\n`);
  assert.is(fault!.line, 6);
  assert.match(fault!.message, 'recordingServer');
});

test('a missing setting is reported where it should stand', () => {
  const faults = faultsOf('role: site\nsite:\n  name: Bus 12\ndata: x\n');
  assert.equal(
    faults.map(fault => [fault.line, fault.path]),
    [[3, 'site.id']],
  );
});

test('what is not YAML is reported by its line', () => {
  const [fault] = faultsOf('role: site\nsite: [\n');
  assert.ok(fault!.line >= 2);
});

const server = '018f0000-0000-7000-8000-0000000000a1';
const recording = `${valid}recordingServers:
  - id: ${server}
    name: Recorder
`;
const camera = (
  hardware: string,
  recordingServer: string,
) => `  - hardwareId: 018f0000-0000-7000-8000-0000000000${hardware}
    name: Door
    address: rtsp://192.0.2.1/1
    recordingServer: ${recordingServer}
`;

test('a camera must name a recording server of the same file, and no id stands twice', () => {
  assert.equal(faultsOf(`${recording}cameras:\n${camera('c1', server)}${camera('c2', server)}`), []);
  const elsewhere = faultsOf(`${recording}cameras:\n${camera('c1', '018f0000-0000-7000-8000-0000000000a2')}`);
  assert.equal(
    elsewhere.map(fault => [fault.line, fault.path, fault.message]),
    [[13, 'cameras.0.recordingServer', 'expected the id of one of recordingServers']],
  );
  const twice = faultsOf(
    `${recording}  - id: ${server}\n    name: Another\ncameras:\n${camera('c1', server)}${camera('c1', server)}`,
  );
  assert.equal(
    twice.map(fault => [fault.line, fault.path]),
    [
      [9, 'recordingServers.1.id'],
      [16, 'cameras.1.hardwareId'],
    ],
  );
});

test('an archive in an object store has no free space to look at, and does not take a limit for it', () => {
  const archive = (more: string) => `${recording}    storages:
      - id: 018f0000-0000-7000-8000-0000000000b1
        name: Vault
        live: { retentionDays: 7 }
        archives:
          - { retentionDays: 30, ${more} }
`;
  const objectStore =
    'objectStore: { bucketUrl: https://s3.example.com/vault, accessKeyId: a, secretAccessKey: b }';
  assert.equal(faultsOf(archive(objectStore)), []);
  assert.equal(faultsOf(archive('path: vault, freeGigabytesLow: 5')), []);
  assert.match(
    faultsOf(archive(`${objectStore}, freeGigabytesLow: 5`))[0]!.message,
    'no free space to look at',
  );
});

test('a log on a server is spoken to with TLS, or on this machine, and no password goes into a message', () => {
  const faultOf = (connectionString: string) =>
    faultsOf(`${valid}log: { kurrent: { connectionString: '${connectionString}' } }\n`)[0];
  for (const good of [
    'esdb://kurrent.example:2113?tlsCAFile=/etc/holdfast/ca.pem',
    'esdb://site:s3cret@a.example,b.example:2113',
    'esdb+discover://site:s3cret@kurrent.example',
    'esdb://127.0.0.1:2113?tls=false',
  ]) {
    assert.is(faultOf(good), undefined, good);
  }
  for (const [bad, expected] of [
    ['kurrentdb://localhost', /expected esdb:/],
    ['esdb://site:s3cret@', /expected esdb:/],
    ['esdb://localhost:port', /expected esdb:/],
    ['esdb://site:s3cret@localhost?tls=false', /leaves user and password out/],
    ['esdb://kurrent.example?tls=false', /only a server on this machine/],
    ['esdb://localhost?tlsVerifyCert=false', /tlsCAFile/],
    ['esdb://localhost?tls=false&throwOnAppendFailure=false', /throwOnAppendFailure/],
  ] as const) {
    const fault = faultOf(bad);
    assert.is(fault?.path, 'log.kurrent.connectionString', bad);
    assert.match(fault!.message, expected);
    assert.not.match(fault!.message, /s3cret/);
  }
});

test('a log is truncated only where others hold it', () => {
  const parent = `credentials: c\nparent: { siteId: 018f0000-0000-7000-8000-000000000002, port: 1, serverName: central }\n`;
  assert.equal(faultsOf(`${valid}${parent}log: { keepDays: 90, until: top }\n`), []);
  assert.equal(faultsOf(`${valid}${parent}log: { keepDays: 0.5 }\n`), []);
  const kurrent = 'kurrent: { connectionString: "esdb://localhost?tls=false" }';
  for (const [bad, path] of [
    ['log: { keepDays: 90 }', 'log.keepDays'],
    [`${parent}log: { until: top }`, 'log.until'],
    [`${parent}log: { keepDays: 0 }`, 'log.keepDays'],
    [`${parent}log: { keepDays: 9, until: region }`, 'log.until'],
    [`${parent}log: { keepDays: 9, ${kurrent} }`, 'log.keepDays'],
  ] as const) {
    assert.equal(
      faultsOf(`${valid}${bad}\n`).map(fault => fault.path),
      [path],
      bad,
    );
  }
});

test('a log is served off the loopback with TLS only', () => {
  const [fault] = faultsOf(`${valid}kurrentServer: { host: 0.0.0.0 }\n`);
  assert.equal([fault?.path, fault?.line], ['kurrentServer.tls', 6]);
  assert.equal(faultsOf(`${valid}kurrentServer: {}\n`), []);
  assert.equal(faultsOf(`${valid}kurrentServer: { host: 0.0.0.0, tls: true }\n`), []);
});

test.run();
