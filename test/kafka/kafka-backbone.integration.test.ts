import { randomUUID } from 'node:crypto';
import { describeBackbone, openKafkaBackbone } from '@holdfast/interconnect';
import { pino } from 'pino';
import { suite } from 'uvu';
import { KafkaBroker, kafkaClassPath } from './kafka-broker.js';
import { skipByName } from './skip-by-name.js';

const test = suite('Kafka backbone');
const found = await kafkaClassPath();
let broker: KafkaBroker;

test.before(async () => {
  if ('classPath' in found) broker = await KafkaBroker.start(found.classPath);
});
test.after(async () => {
  await broker[Symbol.asyncDispose]();
});

describeBackbone(test, () =>
  openKafkaBackbone({
    ...{ brokers: [broker.address], topic: `frames-${randomUUID()}` },
    ...{ partitions: 4, replicas: 1, retentionHours: 1, tls: false, signIn: null },
    ...{ logger: pino({ level: process.env.LOG_LEVEL ?? 'silent' }), random: Math.random },
  }),
);

if ('missing' in found) skipByName(`Kafka backbone: ${found.missing}`);
else test.run();
