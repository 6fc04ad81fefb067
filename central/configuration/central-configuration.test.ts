import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CentralConfiguration } from './central-configuration.js';

const test = suite('central configuration');

const recordingServer = { id: '018f0000-0000-7000-8000-000000000003', name: 'Recording server' };
const central = {
  role: 'central',
  site: { id: '018f0000-0000-7000-8000-000000000001', name: 'Central' },
  data: './data',
  credentials: './credentials',
  listen: { port: 9000 },
};
const parent = { siteId: '018f0000-0000-7000-8000-000000000002', port: 9000, serverName: 'central' };
const backbone = (roles: readonly string[], kafka: object = { brokers: ['kafka-1:9092'] }) => ({
  kafka,
  roles,
});

function faultsOf(configuration: object): readonly string[] {
  const { error } = CentralConfiguration.safeParse(configuration);
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

test('without a backbone a central is one process', () => {
  assert.equal(faultsOf({ ...central, recordingServers: [recordingServer] }), []);
});

test('a backbone needs brokers and roles; the rest has defaults', () => {
  const parsed = CentralConfiguration.parse({ ...central, backbone: backbone(['intake', 'projector']) });
  assert.equal(parsed.backbone, {
    kafka: {
      ...{ brokers: ['kafka-1:9092'], topic: 'holdfast-frames', partitions: 12, replicas: 3 },
      ...{ retentionHours: 168, tls: false },
    },
    roles: ['intake', 'projector'],
  });
});

const wrong: readonly [string, object, RegExp][] = [
  ['no role', { backbone: backbone([]) }, /backbone\.roles: expected at least one of intake, projector, api/],
  ['an unknown role', { backbone: backbone(['reader']) }, /backbone\.roles\.0/],
  ['a role twice', { backbone: backbone(['api', 'api']) }, /backbone\.roles\.1: expected each role once/],
  ['no broker', { backbone: backbone(['api'], { brokers: [] }) }, /backbone\.kafka\.brokers/],
  ['a broker without a port', { backbone: backbone(['api'], { brokers: ['kafka'] }) }, /expected host:port/],
  [
    'a topic that Kafka would refuse',
    { backbone: backbone(['api'], { brokers: ['kafka:9092'], topic: 'a topic' }) },
    /backbone\.kafka\.topic: expected a name/,
  ],
  [
    'recordings where the own log is not',
    { backbone: backbone(['projector']), recordingServers: [recordingServer] },
    /recordingServers: expected none/,
  ],
  [
    'a parent above a backbone',
    { backbone: backbone(['intake', 'api']), parent },
    /^parent: PARENT_WITH_BACKBONE: expected none/,
  ],
];

for (const [what, difference, expected] of wrong) {
  test(`${what} is named with what was expected`, () => {
    const faults = faultsOf({ ...central, ...difference });
    assert.is(faults.length, 1, faults.join('\n'));
    assert.match(faults[0]!, expected);
  });
}

test.run();
