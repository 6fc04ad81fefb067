/** Where an event stands in a site's log: its epoch, and its position (1..) within it. */
export interface LogPlace {
  readonly epoch: number;
  readonly position: number;
}

/** Before the first event of every log. */
export const LOG_START: LogPlace = { epoch: 0, position: 0 };

/** Negative when `left` comes before `right` in the log, 0 when they are the same place. */
export function comparePlaces(left: LogPlace, right: LogPlace): number {
  return left.epoch - right.epoch || left.position - right.position;
}

/** The place of an event, without the event. */
export function placeOf({ epoch, position }: LogPlace): LogPlace {
  return { epoch, position };
}

/** The place of the last event that a head speaks of: reading after it gives what is recorded next. */
export function endOf({ epoch, size }: { readonly epoch: number; readonly size: number }): LogPlace {
  return { epoch, position: size };
}

/** Positions that an epoch has in its key: 2⁴⁰, at a thousand events a second more than thirty years. */
const KEY_POSITIONS = 2 ** 40;
/** With it, every key is a safe integer. A log gets a new epoch only by a reset. */
export const EPOCH_MAX = 2 ** 13 - 1;

/** A place as one integer, in the order of places: `epoch × 2⁴⁰ + position`. Throws `RangeError`. */
export function placeKey({ epoch, position }: LogPlace): number {
  if (!Number.isInteger(epoch) || epoch < 0 || epoch > EPOCH_MAX) {
    throw new RangeError(`epoch ${epoch} is not an integer within 0..${EPOCH_MAX}`);
  }
  if (!Number.isInteger(position) || position < 0 || position >= KEY_POSITIONS) {
    throw new RangeError(`position ${position} is not an integer within 0..${KEY_POSITIONS - 1}`);
  }
  return epoch * KEY_POSITIONS + position;
}

/** The place behind a key. */
export function placeOfKey(key: number): LogPlace {
  return { epoch: Math.floor(key / KEY_POSITIONS), position: key % KEY_POSITIONS };
}
