import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planReturnedKeys } from './erasures.js';

const test = suite('keys that a parent keeps');
const subject = 'alarm-0198c4a5-90f2-7c8d-b19e-0a1b2c3d4e5f';
const atMs = 0x0198c4a590f2;
const before = { subject, keyId: '0198c4a5-90f2-7000-8000-000000000001' };
const since = { subject, keyId: '0198c4a5-90f3-7000-8000-000000000002' };
/** Made by earlier software. */
const undated = { subject, keyId: 'f198c4a5-90f2-4000-8000-000000000003' };
const none = () => false;

test('come back where they were lost', () => {
  const keys = [before, undated];
  const erasures = new Map();
  assert.equal(planReturnedKeys({ keys, erased: [] }, { erasures, isHeld: none }), {
    ...{ takeBack: keys, erase: [] },
  });
  const isHeld = (keyId: string) => keyId === before.keyId;
  assert.equal(planReturnedKeys({ keys, erased: [] }, { erasures, isHeld }).takeBack, [undated]);
});

test('are erased where their subject was, when they were made before it or do not say when', () => {
  const erasures = new Map([[subject, { atMs, keyIds: [] }]]);
  const keys = [before, since, undated];
  assert.equal(planReturnedKeys({ keys, erased: [] }, { erasures, isHeld: none }), {
    takeBack: [since],
    erase: [{ subject, keyIds: [before.keyId, undated.keyId] }],
  });
  const told = new Map([[subject, { atMs, keyIds: [before.keyId, undated.keyId] }]]);
  assert.equal(planReturnedKeys({ keys, erased: [] }, { erasures: told, isHeld: none }).erase, [], 'once');
});

test('and were erased there are erased here as far as they are held', () => {
  const isHeld = (keyId: string) => keyId === before.keyId;
  const returned = { keys: [], erased: [before, since] };
  assert.equal(planReturnedKeys(returned, { erasures: new Map(), isHeld }), {
    takeBack: [],
    erase: [{ subject, keyIds: [before.keyId] }],
  });
});

test.run();
