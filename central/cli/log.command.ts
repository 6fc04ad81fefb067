import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import { decodeEventData, placeOf, type RecordedEvent } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import {
  loadSiteKeys,
  readSiteLogFile,
  SITE_LOG_FILE_NAME,
  SubjectKeys,
  siteLogFileOf,
  subjectKeyFileOf,
} from '@holdfast/sites';
import { EXIT_NO, EXIT_WRONG_USE, processLifetime } from './process-lifetime.js';

const PAGE_EVENTS = 500;
/** Another process writes the log; this is how often it is looked at. */
const FOLLOW_PAUSE_MS = 250;

/** `holdfast log tail DIR`: the last events of a site's log as JSON lines, and with `--follow` every new one. */
export async function logTailCommand(
  directory: string,
  options: { readonly lines: number; readonly follow: boolean },
): Promise<number> {
  const file = logFileOrReport(directory);
  if (file === null) return EXIT_WRONG_USE;
  using log = readSiteLogFile(file);
  using reader = openReader(directory, log.head().site);
  const lifetime = processLifetime();
  let after = log.placeBeforeLast(options.lines);
  while (!lifetime.aborted) {
    const events = log.read({ after, limit: PAGE_EVENTS });
    for (const event of events) writeLine(event, reader);
    const last = events.at(-1);
    if (last !== undefined) {
      after = placeOf(last);
      continue;
    }
    if (!options.follow) break;
    await new Promise(resolve => setTimeout(resolve, FOLLOW_PAUSE_MS));
  }
  return 0;
}

/** `holdfast log show DIR --stream S`: one stream from its first event. */
export function logShowCommand(directory: string, options: { readonly stream: string }): number {
  const file = logFileOrReport(directory);
  if (file === null) return EXIT_WRONG_USE;
  using log = readSiteLogFile(file);
  using reader = openReader(directory, log.head().site);
  let afterRevision: number | null = null;
  let removedCount = 0;
  for (;;) {
    const events: readonly RecordedEvent[] = log.readStream({
      stream: options.stream,
      afterRevision,
      limit: PAGE_EVENTS,
      carried: true,
    });
    for (const event of events) {
      writeLine(event, reader);
      removedCount += event.revision - (afterRevision ?? -1) - 1;
      afterRevision = event.revision;
    }
    if (events.length > 0) continue;
    if (afterRevision === null) {
      process.stderr.write(`holdfast: no event of a stream ${options.stream} in this log\n`);
      return EXIT_NO;
    }
    if (removedCount > 0)
      process.stderr.write(
        `holdfast: ${removedCount} events of ${options.stream} were removed from this log\n`,
      );
    return 0;
  }
}

/** Null after saying so: there is no log in this folder. */
export function logFileOrReport(directory: string): string | null {
  const file = siteLogFileOf(directory);
  try {
    accessSync(file, constants.R_OK);
    return file;
  } catch (error) {
    // Whoever may not look into the folder must not be told that there is nothing.
    if (['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code!)) {
      process.stderr.write(`holdfast: ${file}: cannot be read: this user may not\n`);
      return null;
    }
  }
  process.stderr.write(
    `holdfast: ${path.resolve(directory)}: no ${path.join('log', SITE_LOG_FILE_NAME)} there; name the data directory of one site, e.g. ./data/site-1\n`,
  );
  return null;
}

interface Reader extends Disposable {
  /** What is sealed about people, as far as the site holds the keys. */
  revealJson(json: string): string;
}

/** A copy of a log without its keys is shown as it stands. */
function openReader(directory: string, site: SiteId): Reader {
  if (!existsSync(subjectKeyFileOf(directory)))
    return { revealJson: json => json, [Symbol.dispose]: () => undefined };
  const { sealingKeyPem } = loadSiteKeys(directory);
  return SubjectKeys.open({ file: subjectKeyFileOf(directory), sealingKeyPem, site });
}

function writeLine(event: RecordedEvent, reader: Reader): void {
  const { site, epoch, position, stream, revision, id, type, version, actor, causationId, correlationId } =
    event;
  const recordedAt = new Date(Number(event.recordedAt >> 16n)).toISOString();
  const occurredAt = new Date(event.occurredAtMs).toISOString();
  const line = {
    ...{ site, epoch, position, stream, revision, id, type, version, recordedAt, occurredAt, actor },
    ...{ causationId, correlationId, data: dataOf(event) },
  };
  process.stdout.write(`${reader.revealJson(JSON.stringify(line))}\n`);
}

/** A newer version's event is shown as it stands. */
function dataOf(event: RecordedEvent): unknown {
  try {
    return decodeEventData(event).data;
  } catch {
    return Buffer.from(event.data).toString('utf8');
  }
}
