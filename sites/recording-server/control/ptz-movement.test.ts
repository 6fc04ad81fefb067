import { setImmediate as turn } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PtzVelocity } from '../drivers/driver.js';
import { PtzMovement } from './ptz-movement.js';

const test = suite('movement of a camera');
const right = { pan: 1, tilt: 0, zoom: 0 };
const up = { pan: 0, tilt: 1, zoom: 0 };

/** Answers when it is told to. */
class SlowCamera {
  readonly told: (PtzVelocity | 'STOP')[] = [];
  answer: (fault?: Error) => void = () => undefined;
  isSlow = false;
  readonly move = (velocity: PtzVelocity) => this.#tell(velocity);
  readonly stop = () => this.#tell('STOP');

  #tell(what: PtzVelocity | 'STOP'): Promise<void> {
    this.told.push(what);
    if (!this.isSlow) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.answer = fault => (fault ? reject(fault) : resolve());
    });
  }
}

test('tells a camera what is wanted now, and not what was wanted while it thought', async () => {
  const camera = new SlowCamera();
  const movement = new PtzMovement(camera);
  camera.isSlow = true;
  const first = movement.move(right);
  const second = movement.move(up);
  const third = movement.stop();
  assert.equal(camera.told, [right]);
  camera.answer();
  await turn();
  assert.equal(camera.told, [right, 'STOP']);
  camera.answer();
  await Promise.all([first, second, third]);
});

test('does not say again what the camera does already', async () => {
  const camera = new SlowCamera();
  const movement = new PtzMovement(camera);
  await movement.move(right);
  await movement.move({ ...right });
  assert.equal(camera.told, [right]);
  await movement.stop();
  await movement.stop();
  assert.equal(camera.told, [right, 'STOP', 'STOP'], 'somebody else may have moved it');
});

test('stops by itself when nobody says that it is to go on', async () => {
  const camera = new SlowCamera();
  const movement = new PtzMovement(camera, 20);
  await movement.move(right);
  while (camera.told.length < 2) await new Promise(resolve => setTimeout(resolve, 5));
  assert.equal(camera.told, [right, 'STOP']);
});

test('says to all who wait what the camera refused, and tells it anew the next time', async () => {
  const camera = new SlowCamera();
  const movement = new PtzMovement(camera);
  camera.isSlow = true;
  const refused = [movement.move(right), movement.move(right)].map(asked =>
    asked.catch(error => error.message),
  );
  camera.answer(new Error('no'));
  assert.equal(await Promise.all(refused), ['no', 'no']);
  camera.isSlow = false;
  await movement.move(right);
  assert.equal(camera.told, [right, right]);
  await movement.stop();
});

test.run();
