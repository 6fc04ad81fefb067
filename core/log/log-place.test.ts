import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { comparePlaces, endOf, LOG_START, placeOf } from './log-place.js';

const test = suite('place in a log');

test('orders places by epoch, then by position', () => {
  const places = [
    { epoch: 2, position: 1 },
    { epoch: 1, position: 9 },
    LOG_START,
    { epoch: 1, position: 10 },
  ];
  assert.equal(
    places.sort(comparePlaces).map(place => [place.epoch, place.position]),
    [
      [0, 0],
      [1, 9],
      [1, 10],
      [2, 1],
    ],
  );
  assert.is(comparePlaces({ epoch: 1, position: 4 }, { epoch: 1, position: 4 }), 0);
});

test('takes the place out of an event and of a head', () => {
  const event = { epoch: 3, position: 7, type: 'SiteRenamed' };
  assert.equal(placeOf(event), { epoch: 3, position: 7 });
  assert.equal(endOf({ epoch: 3, size: 12 }), { epoch: 3, position: 12 });
});

test.run();
