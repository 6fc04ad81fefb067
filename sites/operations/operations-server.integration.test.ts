import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openOperationsServer } from './operations-server.js';

const test = suite('operations server');

test('health, readiness with its reason, and metrics', async () => {
  let reason: string | null = 'the log is being read';
  await using server = await openOperationsServer({
    ...{ host: '127.0.0.1', port: 0 },
    notReadyBecause: () => reason,
  });
  const get = (path: string) => fetch(`http://127.0.0.1:${server.port}${path}`);
  assert.is((await get('/healthz')).status, 200);
  const notReady = await get('/readyz');
  assert.is(notReady.status, 503);
  assert.match(await notReady.text(), 'the log is being read');
  reason = null;
  assert.is((await get('/readyz')).status, 200);
  assert.match(await (await get('/metrics')).text(), 'process_cpu_user_seconds_total');
});

test.run();
