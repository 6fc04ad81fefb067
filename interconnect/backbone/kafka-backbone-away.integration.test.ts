import { once } from 'node:events';
import net from 'node:net';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openKafkaBackbone } from './kafka-backbone.js';

const test = suite('Kafka that answers nothing');

test('is not asked again by a watch that was told to end, which waits for no answer', async () => {
  await using stack = new AsyncDisposableStack();
  let asked = 0;
  const sockets = new Set<net.Socket>();
  const broker = net.createServer(socket => {
    asked += 1;
    sockets.add(socket.on('error', () => undefined));
  });
  stack.defer(() => {
    for (const socket of sockets) socket.destroy();
    broker.close();
  });
  await once(broker.listen(0, '127.0.0.1'), 'listening');
  const options = {
    brokers: [`127.0.0.1:${(broker.address() as net.AddressInfo).port}`],
    ...{ topic: 'frames', partitions: 1, replicas: 1, retentionHours: 1, tls: false, signIn: null },
    ...{ logger: pino({ level: 'silent' }), random: Math.random },
  };
  const backbone = stack.use(await openKafkaBackbone(options));
  const stopping = new AbortController();
  const answers = { onThere: () => assert.unreachable(), onAway: () => assert.unreachable() };
  const isAsked = once(broker, 'connection');
  const watching = backbone.watch(answers, stopping.signal);
  await isAsked;
  stopping.abort();
  await watching;
  assert.is(asked, 1);
});

test.run();
