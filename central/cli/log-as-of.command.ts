import {
  comparePlaces,
  encodeFold,
  type LogPlace,
  type RecordedEvent,
  StreamAggregate,
} from '@holdfast/core';
import { readSiteLogFile } from '@holdfast/sites';
import { logFileOrReport } from './log.command.js';
import { EXIT_WRONG_USE } from './process-lifetime.js';

const PAGE_EVENTS = 500;
const EXIT_NO = 1;

type Moment = { readonly atMs: number } | { readonly place: LogPlace };

/**
 * `holdfast log show DIR --stream S --as-of T`: what the stream's events up to a time, or a place, make of the one thing that it
 * is about. One line of JSON.
 */
export function logAsOfCommand(
  directory: string,
  { stream, asOf }: { readonly stream: string; readonly asOf: string },
): number {
  const moment = momentOf(asOf);
  if (moment === null) {
    return refuse(
      `--as-of ${asOf}: expected a time, e.g. 2026-11-20T12:00:00Z, or a place as EPOCH/POSITION`,
    );
  }
  const aggregate = StreamAggregate.of(stream);
  if (aggregate === null) {
    return refuse(
      `--as-of: the events of ${stream} make up no state that anything is decided on; show them without it`,
    );
  }
  const file = logFileOrReport(directory);
  if (file === null) return EXIT_WRONG_USE;
  using log = readSiteLogFile(file);
  let last: RecordedEvent | null = null;
  for (;;) {
    const page = log.readStream({
      ...{ stream, afterRevision: aggregate.revision, limit: PAGE_EVENTS },
      // All of which states are made is carried over a cut.
      carried: true,
    });
    const upTo = page.findIndex(event => isAfter(event, moment));
    for (const event of upTo < 0 ? page : page.slice(0, upTo)) {
      aggregate.read(event);
      last = event;
    }
    if (upTo >= 0 || page.length === 0) break;
  }
  if (last === null) {
    process.stderr.write(`holdfast: ${stream} has no event as of ${asOf}\n`);
    return EXIT_NO;
  }
  const { epoch, position, revision } = last;
  const recordedAt = new Date(Number(last.recordedAt >> 16n)).toISOString();
  const { aside } = aggregate;
  // Maps and sets as JSON can say them; what could not be read is told beside the state before it.
  const state = JSON.parse(
    encodeFold({ state: aggregate.state }),
    (_, value) => value?.$map ?? value?.$set ?? value,
  ).state;
  process.stdout.write(
    `${JSON.stringify({ stream, epoch, position, revision, recordedAt, state, aside })}\n`,
  );
  return aside === null ? 0 : EXIT_NO;
}

function refuse(message: string): number {
  process.stderr.write(`holdfast: ${message}\n`);
  return EXIT_WRONG_USE;
}

function momentOf(text: string): Moment | null {
  const place = /^(\d{1,9})\/(\d{1,15})$/.exec(text);
  if (place) return { place: { epoch: Number(place[1]), position: Number(place[2]) } };
  const atMs = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(atMs) ? null : { atMs };
}

function isAfter(event: RecordedEvent, moment: Moment): boolean {
  if ('place' in moment) return comparePlaces(event, moment.place) > 0;
  return Number(event.recordedAt >> 16n) > moment.atMs;
}
