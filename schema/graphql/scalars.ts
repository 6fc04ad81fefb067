import { GraphQLError, GraphQLScalarType, Kind } from 'graphql';

/** Years 1970 to 9999: what four digits can write. */
const UNIX_MS_MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const ISO_8601 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/;

/** Outside: ISO 8601 UTC with milliseconds. Inside: milliseconds since the Unix epoch. */
export const DateTime = new GraphQLScalarType<number, string>({
  name: 'DateTime',
  description: 'ISO 8601 UTC with milliseconds.',
  serialize(value) {
    if (typeof value !== 'number' || !(value >= 0 && value <= UNIX_MS_MAX)) {
      throw new GraphQLError(`DateTime cannot represent ${String(value)}`);
    }
    return new Date(value).toISOString();
  },
  parseValue: parseDateTime,
  parseLiteral: node => parseDateTime(node.kind === Kind.STRING ? node.value : node),
});

function parseDateTime(value: unknown): number {
  const ms = typeof value === 'string' && ISO_8601.test(value) ? Date.parse(value) : Number.NaN;
  if (!(ms >= 0 && ms <= UNIX_MS_MAX)) {
    throw new GraphQLError(
      `DateTime: expected ISO 8601 with a time zone, e.g. 2026-11-20T12:00:00.000Z, got ${JSON.stringify(value)}`,
    );
  }
  return ms;
}

/** What a cursor means is the server's business; it is given back as it was received. */
export const Cursor = new GraphQLScalarType<string, string>({
  name: 'Cursor',
  description: 'Opaque; resume after it.',
  serialize: String,
  parseValue: parseCursor,
  parseLiteral: node => parseCursor(node.kind === Kind.STRING ? node.value : node),
});

function parseCursor(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new GraphQLError('Cursor: expected a string that this server gave out');
}
