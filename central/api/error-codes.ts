import type { RetrievalRefusal, SiteCommandRefusalCode } from '@holdfast/core';

/** What goes wrong at this edge, and not at a site. */
type EdgeCode =
  | 'UNAUTHENTICATED'
  | 'BAD_USER_INPUT'
  | 'PAGE_SIZE_OUT_OF_RANGE'
  | 'CURSOR_INVALID'
  | 'CURSOR_EXPIRED'
  | 'QUERY_TOO_DEEP'
  | 'QUERY_TOO_COMPLEX'
  | 'SITE_NOT_FOUND'
  | 'SITE_NOT_CONNECTED'
  | 'CAMERA_CANNOT'
  | 'CAMERA_FAILED'
  | 'PTZ_TAKEN'
  | 'FORBIDDEN'
  | 'RETRIEVAL_NOT_FOUND'
  | 'TOO_MANY_OPEN'
  | 'SITES_DIFFER'
  | 'SITE_KEY_UNKNOWN'
  | 'LINK_NOT_EMULATED'
  | 'SITE_NOT_AWAITED'
  | 'PROJECTION_NOT_FOUND'
  | 'NOT_SEARCHABLE_HERE'
  | 'COMMAND_EXPIRED'
  | 'GRAPHQL_PARSE_FAILED'
  | 'GRAPHQL_VALIDATION_FAILED'
  | 'OPERATION_RESOLUTION_FAILURE'
  | 'BAD_REQUEST'
  | 'PERSISTED_QUERY_NOT_SUPPORTED'
  | 'INTERNAL_SERVER_ERROR';

/** What a site answers without a rule that has been asked. */
type AnswerCode = 'CONFLICT' | 'NOT_UNDERSTOOD' | 'TOO_MANY_COMMANDS' | 'WRONG_SITE';
type SiteCode = AnswerCode | RetrievalRefusal['code'] | SiteCommandRefusalCode;

export type ErrorCode = EdgeCode | SiteCode;

/**
 * `extensions.code` of every GraphQL error: stable names that programs may rely on. A refusal of a site keeps the
 * code that the site gave. `docs/ERRORS.md` is held to this list by a test.
 */
export const errorCodes: { readonly [Code in ErrorCode]: string } = {
  UNAUTHENTICATED: 'There is no token, or it is not valid (any more): sign in.',
  BAD_USER_INPUT: 'An argument cannot mean anything; the message names it and what was expected.',
  PAGE_SIZE_OUT_OF_RANGE: '`first` or `last` is not between 1 and 500, or both are given.',
  CURSOR_INVALID: 'The cursor was not given out by this list or subscription.',
  CURSOR_EXPIRED:
    'What came after the cursor is no longer kept: read the list again, then subscribe without `since`.',
  QUERY_TOO_DEEP: 'The query nests deeper than allowed.',
  QUERY_TOO_COMPLEX: 'The query could answer with more objects than allowed: ask for smaller pages.',
  SITE_NOT_FOUND: 'No such site is known here.',
  SITE_NOT_CONNECTED:
    'What is asked of a camera is done at once or not at all, and its site is not connected.',
  CAMERA_CANNOT: 'The camera, or its driver, has no such thing; the message says what it has.',
  CAMERA_FAILED: 'The camera was asked, and refused or did not answer; the message says what it said.',
  PTZ_TAKEN: 'Somebody else turns the camera or has reserved it, with the same or a higher priority.',
  FORBIDDEN: 'Only an administrator may do that.',
  RETRIEVAL_NOT_FOUND: 'No such retrieval is known here.',
  TOO_MANY_OPEN: 'More retrievals are open than anybody can wait for: wait for some to end, or cancel them.',
  SITES_DIFFER: 'The devices belong to several sites; the message names them. Ask for each site by itself.',
  SITE_KEY_UNKNOWN: 'The log of the site has not arrived yet, so a password cannot be sealed for it.',
  LINK_NOT_EMULATED: 'The link of this site is a real one: it cannot be cut from here.',
  SITE_NOT_AWAITED: 'All that the site had said is known here, or its link is up: nothing is given up by it.',
  PROJECTION_NOT_FOUND: 'No such projection; the message names those that there are.',
  NOT_SEARCHABLE_HERE:
    'The camera is recorded at another site, and so are its heat maps: they are not sent over links.',
  COMMAND_EXPIRED: 'The site received the command after its time.',
  CONFLICT: 'Others keep writing what the command is about: try again.',
  NOT_UNDERSTOOD: 'The software of the site is older than the command: upgrade it.',
  TOO_MANY_COMMANDS: 'More commands wait at this site than it can decide soon: try again later.',
  WRONG_SITE: 'The command was sent to another site than it is for.',
  GRAPHQL_PARSE_FAILED: 'The query is not GraphQL.',
  GRAPHQL_VALIDATION_FAILED: 'The query does not fit the schema.',
  OPERATION_RESOLUTION_FAILURE: 'The named operation is not in the document.',
  BAD_REQUEST: 'The HTTP request is not a GraphQL request.',
  PERSISTED_QUERY_NOT_SUPPORTED: 'Persisted queries are not kept here: send the query.',
  INTERNAL_SERVER_ERROR: 'A fault of this server; its log has the details.',
  ALARM_EXISTS: 'An alarm with this id was raised before.',
  ALARM_HANDLED_MEANWHILE:
    'More has happened to the alarm than `expectedLastId` says; the message says who did what when.',
  ALARM_NOT_FOUND: 'No such alarm.',
  ALARM_STATE_NOT_REACHABLE: 'The alarm cannot change from its state into the wanted one.',
  BOOKMARK_EXISTS: 'A bookmark with this id exists already.',
  BOOKMARK_OUTSIDE_SPAN: 'The moment of a bookmark must lie within its span.',
  DEVICE_EXISTS: 'A device with this id exists already.',
  DEVICE_NOT_FOUND: 'No such device.',
  EVIDENCE_LOCK_EXISTS: 'An evidence lock with this id exists already.',
  EVIDENCE_LOCK_NOT_EXTENDED: 'A lock can only be made longer or wider.',
  EVIDENCE_LOCK_NOT_FOUND: 'No such evidence lock.',
  EVIDENCE_LOCK_RELEASED: 'The evidence lock was released before.',
  EXPIRY_PAST: 'The lock would expire in the past.',
  SPAN_EMPTY: 'The span of the lock ends before it begins.',
  ADDRESS_NOT_OF_DRIVER: "The address does not begin as the hardware's driver needs it: rtsp:// or http://.",
  HARDWARE_EXISTS: 'Hardware with this id exists already.',
  HARDWARE_NOT_FOUND: 'No such hardware.',
  HARDWARE_THERE_ALREADY: 'The hardware is on that recording server already.',
  RECORDING_SERVER_NOT_FOUND: 'No such recording server.',
  RECORDING_SERVER_ABSENT: 'That recording server does not run any more: it would record nothing.',
  RECORDING_SERVER_HALTED: 'That recording server records nothing at present: its disk is full or gone.',
  STORAGE_NOT_FOUND: 'That recording server has no storage of that id; the message names those that it has.',
  NOTHING_ASKED: 'Everything is so already: nothing would change.',
  NOT_RECORDED_MANUALLY: 'The device is not being recorded manually.',
  NO_SUCH_RETRIEVAL: 'No such retrieval.',
  ALREADY_REQUESTED: 'A retrieval with this id was requested before.',
  EMPTY_SPAN: 'The span of the retrieval ends before it begins.',
  SPAN_IN_FUTURE: 'Nothing can be retrieved that is not recorded yet.',
  SPAN_TOO_LONG: 'The span of the retrieval is longer than allowed.',
  ALREADY_ENDED: 'The retrieval has ended.',
  NOT_NOW: 'The retrieval is not in a state in which this can be done.',
  TOO_MANY_SEGMENTS: 'More segments than one step of a retrieval may have.',
  SUBJECT_NOT_FOUND:
    'That site holds no key of this subject: nothing of it was sealed there or below, or it was erased.',
  NOTHING_NEW: 'The segments are held already.',
  STREAM_NOT_READABLE:
    'The log holds an event about it that this software cannot read: upgrade the software of that site.',
};

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}
