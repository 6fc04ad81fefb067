import type { DeviceId, HoldfastEvent } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import type { Fragment } from '../read-models/page.query.js';

/** Most events are of it; the trees of events by type and by stream leave it out (`0025-replica-event-trees.sql`). */
const LEFT_OUT: HoldfastEvent['type'] = 'RecordingSealed';
const STREAM_OF_RECORDINGS = /^recording-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** In words by which PostgreSQL knows whether the tree by type has them all. */
export function ofTypes(sql: Sql | TransactionSql, types: readonly string[]): Fragment {
  // Of one type alone the tree gives them in the order of the feed.
  const among = types.length === 1 ? sql`type = ${types[0]!}` : sql`type = any(${types as string[]}::text[])`;
  return types.includes(LEFT_OUT) ? among : sql`${among} and type <> 'RecordingSealed'`;
}

/** As `ofTypes`, for a statement that takes no parameters. Throws `TypeError` at what cannot be the name of a type. */
export function ofTypesAsText(types: readonly string[]): string {
  const odd = types.find(type => !/^[A-Za-z]+$/.test(type));
  if (odd !== undefined) throw new TypeError(`${odd} is no type of events`);
  const names = types.map(type => `'${type}'`).join(', ');
  return `type in (${names})${types.includes(LEFT_OUT) ? '' : ` and type <> '${LEFT_OUT}'`}`;
}

/** In the tree by stream; those of recordings by the device that they are of. */
export function inStream(sql: Sql | TransactionSql, stream: string): Fragment {
  const deviceId = STREAM_OF_RECORDINGS.exec(stream)?.[1] as DeviceId | undefined;
  return deviceId === undefined
    ? sql`stream = ${stream} and type <> 'RecordingSealed'`
    : sql`stream = ${stream} and seq in (select seq from event_device where device_id = ${deviceId})`;
}

/** Of none of recordings: those are not all in the tree. */
export function inStreams(sql: Sql | TransactionSql, streams: readonly string[]): Fragment {
  return sql`stream = any(${streams as string[]}) and type <> 'RecordingSealed'`;
}
