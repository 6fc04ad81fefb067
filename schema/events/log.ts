import { z } from 'zod';
import { defineEvent, type EventOf, raised, Sha256Hex, UnixMs } from './event-definition.js';

/**
 * A restored or re-imaged site took its own history back from its parent. Stream: `log`, in the epoch that was opened for
 * it, behind what the site had recorded meanwhile. That lies between `common` and the end of the old epoch twice: once as it
 * was, pulled back, and once as the restored site recorded it, again in the new epoch.
 */
export const LogHistoryRecovered = defineEvent(
  'LogHistoryRecovered',
  1,
  z.object({
    /** The last place that the restored log and the parent's replica of it had in common. 0/0: none. */
    commonEpoch: z.int().nonnegative(),
    commonPosition: z.int().nonnegative(),
    /** Events that the site had lost, and between which moments they were recorded; null when there were none. */
    pulledBackCount: z.int().nonnegative(),
    pulledBackFromMs: UnixMs.nullable(),
    pulledBackToMs: UnixMs.nullable(),
    /** Events that the restored site had recorded before it learned of that, recorded again in the new epoch. */
    recordedAgainCount: z.int().nonnegative(),
    recordedAgainFromMs: UnixMs.nullable(),
    recordedAgainToMs: UnixMs.nullable(),
    /** Events of the restored site that stood in the history already, by their ids: not recorded again. */
    knownAlreadyCount: z.int().nonnegative(),
  }),
);

/** Whose acknowledgement makes events superfluous at the site: its parent's, or that of the top of the hierarchy. */
export const AcknowledgementLevel = z.enum(['PARENT', 'TOP']);
export type AcknowledgementLevel = z.infer<typeof AcknowledgementLevel>;

const truncation = {
  epoch: z.int().min(1),
  firstKeptPosition: z.int().min(2),
  root: Sha256Hex,
  acknowledgedBy: AcknowledgementLevel,
  /** What was recorded before was older than the site is to keep it. */
  recordedBeforeMs: UnixMs,
};

/** What is kept of all that was ever removed: the events of other types than these, and the tree over them in their order. */
const CarriedEvents = z.object({
  passingTypes: z.array(z.string().min(1).max(200)).max(1000),
  count: z.int().nonnegative(),
  root: Sha256Hex,
});

/**
 * The events of an epoch before a position are removed from this file, because others hold them. Stream: `log`. `root` is the
 * tree over what was removed: what stays is proved from there on.
 */
export const LogTruncated = defineEvent(
  'LogTruncated',
  2,
  z.object({
    ...truncation,
    /** Null: recorded by software that did not say what it carried over the cut. */
    carried: CarriedEvents.nullable(),
  }),
  [raised(z.object(truncation), before => ({ ...before, carried: null }))],
);

/**
 * The file of the log was damaged, and what could be read of it became this log. Stream: `log`, in front of what is recorded again.
 * Events of it behind which no signature of the site was found are *taken over*: recorded again with the id of this event as their
 * correlation id, whatever they said before. Anybody who could write to the file may have put them there.
 */
export const LogSalvaged = defineEvent(
  'LogSalvaged',
  1,
  z.object({
    /** How it showed, for people. */
    damage: z.string().max(500),
    /** The events up to here stayed as they were, and where they were: the site had signed them. 0/0: none did. */
    keptEpoch: z.int().nonnegative(),
    keptPosition: z.int().nonnegative(),
    /** The folder beside that of the log in which the damaged file is kept. */
    keptIn: z.string().min(1).max(255),
    /** What is in it of the log, as it was found; null: not all of the file could be read. */
    files: z.array(z.object({ name: z.string().min(1).max(255), sha256: Sha256Hex.nullable() })).max(2),
  }),
);

export const logEvents = [LogHistoryRecovered, LogTruncated, LogSalvaged] as const;
export type LogEvent = EventOf<(typeof logEvents)[number]>;
