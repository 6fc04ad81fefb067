import { LOG_START } from '@holdfast/core';
import { SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Acknowledgements } from './acknowledgements.js';

const test = suite('acknowledgements');
const origin = SiteId.parse(v7());
const at = (position: number, epoch = 1) => ({ epoch, position });

function acknowledged(parent: number, top: number): Acknowledgements {
  const acknowledgements = new Acknowledgements();
  acknowledgements.learn(origin, { parent: at(parent), top: at(top) });
  return acknowledgements;
}

test('what the parent acknowledges rises, in whatever order it is heard', () => {
  const acknowledgements = acknowledged(10, 5);
  acknowledgements.learn(origin, { parent: at(9), top: null });
  assert.equal(acknowledgements.of(origin), { parent: at(10), top: at(5) });
  acknowledgements.learn(origin, { parent: at(1, 2), top: at(6) });
  assert.equal(acknowledgements.of(origin), { parent: at(1, 2), top: at(6) });
});

test('a parent that is lowered takes the top with it, and raises both again', () => {
  const acknowledgements = acknowledged(10, 8);
  acknowledgements.lower(origin, at(9));
  assert.equal(acknowledgements.of(origin), { parent: at(9), top: at(8) });
  acknowledgements.lower(origin, at(4));
  assert.equal(acknowledgements.of(origin), { parent: at(4), top: at(4) });
  // It says so from memory: what it lost, nobody gets from it.
  acknowledgements.learn(origin, { parent: null, top: at(8) });
  assert.equal(acknowledgements.of(origin), { parent: at(4), top: at(4) });
  acknowledgements.learn(origin, { parent: at(7), top: at(8) });
  assert.equal(acknowledgements.of(origin), { parent: at(7), top: at(7) });
  acknowledgements.lower(origin, LOG_START);
  assert.equal(acknowledgements.of(origin), { parent: LOG_START, top: LOG_START });
});

test('a top that was restored itself is believed what it says now', () => {
  const acknowledgements = acknowledged(10, 8);
  acknowledgements.learn(origin, { parent: at(11), top: at(3) });
  assert.equal(acknowledgements.of(origin), { parent: at(11), top: at(3) });
});

test('lowering makes nothing known, and whoever listens hears of what has moved alone', () => {
  const acknowledgements = new Acknowledgements();
  let heard = 0;
  const stop = acknowledgements.listen(origin, () => {
    heard += 1;
  });
  acknowledgements.lower(origin, at(10));
  acknowledgements.learn(origin, { parent: null, top: at(3) });
  assert.equal([acknowledgements.of(origin), heard], [{ parent: null, top: null }, 0]);
  acknowledgements.learn(origin, { parent: at(5), top: at(3) });
  acknowledgements.learn(origin, { parent: at(5), top: at(3) });
  acknowledgements.lower(origin, at(6));
  assert.is(heard, 1);
  acknowledgements.lower(origin, at(4));
  assert.is(heard, 2);
  stop();
  acknowledgements.lower(origin, at(1));
  assert.is(heard, 2);
});

test('who has stopped listening hears no more, and stops nobody else, however often it is said', () => {
  const acknowledgements = new Acknowledgements();
  const heard: string[] = [];
  const hear = (name: string) => acknowledgements.listen(origin, () => heard.push(name));
  const [stopFirst, stopSecond] = [hear('first'), hear('second')];
  stopFirst();
  acknowledgements.learn(origin, { parent: at(1), top: null });
  stopSecond();
  acknowledgements.learn(origin, { parent: at(2), top: null });
  hear('third');
  stopFirst();
  stopSecond();
  acknowledgements.learn(origin, { parent: at(3), top: null });
  assert.equal(heard, ['second', 'third']);
});

test.run();
