import { dayAndClock, zoneAt } from '../ui/time.ts';

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
const ID = / [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;

/** A message of the API as it is read on a screen: times of the wall clock, and neither the ids nor the kinds that programs need. */
export const refusalInWords = (message: string): string =>
  message
    .replace(TIME, time => `${dayAndClock(time)} ${zoneAt(time)}`)
    .replace(/\buser:/g, '')
    .replace(/\balarm(?= )/, 'this alarm')
    .replace(ID, '');
