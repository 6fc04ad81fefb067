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
