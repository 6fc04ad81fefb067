import { dayAndClock, zoneAt } from '../ui/time.ts';

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;
const ALARM = /\balarm [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g;

/**
 * A message of the API as it is read on a screen: times of the wall clock, users without their kind, and the alarm that
 * the title names without its id.
 */
export const refusalInWords = (message: string): string =>
  message
    .replace(TIME, time => `${dayAndClock(time)} ${zoneAt(time)}`)
    .replace(/\buser:/g, '')
    .replace(ALARM, 'this alarm');
