import type { z } from 'zod';
import { ApiError } from './api-error.js';

/** An id out of an argument. Throws `BAD_USER_INPUT`. */
export function parseId<Schema extends z.ZodType>(
  schema: Schema,
  value: string,
  name: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(value.toLowerCase());
  if (parsed.success) return parsed.data;
  throw new ApiError({
    code: 'BAD_USER_INPUT',
    message: `${name}: expected an id, got ${JSON.stringify(value)}`,
  });
}

/** For look-ups: what is not an id is the id of nothing. */
export function parseIdOrNull<Schema extends z.ZodType>(
  schema: Schema,
  value: string,
): z.infer<Schema> | null {
  const parsed = schema.safeParse(value.toLowerCase());
  return parsed.success ? parsed.data : null;
}

export function parseOptionalId<Schema extends z.ZodType>(
  schema: Schema,
  value: string | null | undefined,
  name: string,
): z.infer<Schema> | null {
  return value === null || value === undefined ? null : parseId(schema, value, name);
}

/** Throws `BAD_USER_INPUT` unless the span begins before it ends. */
export function checkSpan(fromMs: number, toMs: number): void {
  if (fromMs < toMs) return;
  throw new ApiError({ code: 'BAD_USER_INPUT', message: 'from: expected a time before `to`' });
}

/** Settings out of an argument. Throws `BAD_USER_INPUT` with what is wrong. */
export function parseSetting<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  name: string,
): z.infer<Schema> {
  const parsed = schema.safeParse({ ...(value as object) });
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map(issue => `${[name, ...issue.path].join('.')}: ${issue.message}`);
  throw new ApiError({ code: 'BAD_USER_INPUT', message: wrong.join('; ') });
}
