import type { Sql } from '../postgres/sql.js';
import type { Fragment } from './page.query.js';

/** Longer ones find nothing that a shorter one would not. */
const SEARCH_TEXT_CHARACTERS_MAX = 200;

/** Rows where one of the columns contains the text, upper and lower case alike; the text is taken literally. */
export function containsText(sql: Sql, columns: readonly string[], text: string): Fragment {
  const literal = text
    .slice(0, SEARCH_TEXT_CHARACTERS_MAX)
    .replaceAll('\0', '')
    .replace(/[\\%_]/g, '\\$&');
  const pattern = `%${literal}%`;
  return sql`(${columns.map(column => sql`${sql(column)} ilike ${pattern}`).reduce((all, one) => sql`${all} or ${one}`)})`;
}
