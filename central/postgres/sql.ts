import type postgres from 'postgres';

/** Every `bigint` of ours but the hybrid clock is far below 2^53; the clock is read as text or as milliseconds. */
const INT8_OID = 20;
export const sqlTypes = {
  bigint: {
    to: INT8_OID,
    from: [INT8_OID],
    serialize: (value: number) => value.toString(),
    parse: (text: string) => {
      const value = Number(text);
      if (!Number.isSafeInteger(value)) throw new RangeError(`bigint ${text} does not fit a number`);
      return value;
    },
  },
};

export type Sql = postgres.Sql<{ bigint: number }>;
export type TransactionSql = postgres.TransactionSql<{ bigint: number }>;
