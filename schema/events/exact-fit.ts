import type { z } from 'zod';

/** Whether parsed JSON is exactly what a schema gives back for it. False: perhaps not, ask the schema. */
export type ExactFit = (value: unknown) => boolean;

/** What is looked at of a definition of zod's; of another kind, or with another check, a schema has no exact fit. */
interface Definition {
  readonly type: string;
  readonly checks?: readonly { readonly _zod: { readonly def: Check } }[];
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly catchall?: unknown;
  readonly element?: z.ZodType;
  readonly innerType?: z.ZodType;
  readonly entries?: Readonly<Record<string, string | number>>;
  readonly values?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: RegExp;
}

interface Check {
  readonly check: string;
  readonly format?: string;
  readonly pattern?: RegExp;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly value?: unknown;
  readonly inclusive?: boolean;
}

const known = new WeakMap<z.ZodType, { readonly fits: ExactFit | null }>();

/**
 * A quick look in place of a parse: most events are as they should be, and a parse makes copies of all of them. It knows of zod what
 * events are mostly made of, and looks for the fields of an object in their order. Null for a schema with anything else in it.
 */
export function exactFitOf(schema: z.ZodType): ExactFit | null {
  let made = known.get(schema);
  if (made === undefined) {
    made = { fits: makeFit(schema) };
    known.set(schema, made);
  }
  return made.fits;
}

function makeFit(schema: z.ZodType): ExactFit | null {
  const definition = schema._zod.def as unknown as Definition;
  const checks = (definition.checks ?? []).map(({ _zod }) => _zod.def);
  switch (definition.type) {
    case 'object':
      return checks.length === 0 && definition.catchall === undefined ? objectFit(definition.shape!) : null;
    case 'array':
      return arrayFit(definition.element!, checks);
    case 'nullable': {
      const inner = exactFitOf(definition.innerType!);
      return checks.length > 0 || inner === null ? null : value => value === null || inner(value);
    }
    case 'enum': {
      const entries = new Set<unknown>(Object.values(definition.entries!));
      return checks.length > 0 ? null : value => entries.has(value);
    }
    case 'literal': {
      const values = new Set(definition.values!);
      return checks.length > 0 ? null : value => values.has(value);
    }
    case 'boolean':
      return checks.length > 0 ? null : value => value === true || value === false;
    case 'string':
      return stringFit(definition, checks);
    case 'number':
      return numberFit(definition, checks);
    default:
      return null;
  }
}

function objectFit(shape: Readonly<Record<string, z.ZodType>>): ExactFit | null {
  const fields: { readonly name: string; readonly fits: ExactFit; readonly isOptional: boolean }[] = [];
  for (const [name, schema] of Object.entries(shape)) {
    const { type, innerType } = schema._zod.def as unknown as Definition;
    const isOptional = type === 'optional';
    const fits = exactFitOf(isOptional ? innerType! : schema);
    if (fits === null) return null;
    fields.push({ name, fits, isOptional });
  }
  return value => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    let next = 0;
    for (const name in value) {
      while (next < fields.length && fields[next]!.name !== name && fields[next]!.isOptional) next += 1;
      const field = fields[next];
      if (field === undefined || field.name !== name) return false;
      if (!field.fits((value as Readonly<Record<string, unknown>>)[name])) return false;
      next += 1;
    }
    while (next < fields.length && fields[next]!.isOptional) next += 1;
    return next === fields.length;
  };
}

function arrayFit(element: z.ZodType, checks: readonly Check[]): ExactFit | null {
  const fits = exactFitOf(element);
  const length = lengthFit(checks);
  if (fits === null || length === null) return null;
  return value => {
    if (!Array.isArray(value) || !length(value.length)) return false;
    for (const item of value) if (!fits(item)) return false;
    return true;
  };
}

function stringFit({ format, pattern }: Definition, checks: readonly Check[]): ExactFit | null {
  if (format !== undefined && (format !== 'uuid' || pattern === undefined)) return null;
  const patterns = pattern === undefined ? [] : [pattern];
  const lengths: Check[] = [];
  for (const check of checks) {
    if (check.check !== 'string_format') lengths.push(check);
    else if (check.format === 'regex' && check.pattern !== undefined) patterns.push(check.pattern);
    else return null;
  }
  const length = lengthFit(lengths);
  // Such an expression remembers where it was.
  if (length === null || patterns.some(({ global, sticky }) => global || sticky)) return null;
  const [only] = patterns;
  if (patterns.length === 1 && lengths.length === 0)
    return value => typeof value === 'string' && only!.test(value);
  return value =>
    typeof value === 'string' && length(value.length) && patterns.every(each => each.test(value));
}

function numberFit({ format }: Definition, checks: readonly Check[]): ExactFit | null {
  if (format !== undefined && format !== 'safeint') return null;
  let lowest = -Number.MAX_VALUE;
  let highest = Number.MAX_VALUE;
  for (const { check, value, inclusive } of checks) {
    if (typeof value !== 'number' || inclusive !== true) return null;
    if (check === 'greater_than') lowest = Math.max(lowest, value);
    else if (check === 'less_than') highest = Math.min(highest, value);
    else return null;
  }
  const isNumber = format === 'safeint' ? Number.isSafeInteger : Number.isFinite;
  return value => isNumber(value) && (value as number) >= lowest && (value as number) <= highest;
}

function lengthFit(checks: readonly Check[]): ((length: number) => boolean) | null {
  let shortest = 0;
  let longest = Number.POSITIVE_INFINITY;
  for (const { check, minimum, maximum } of checks) {
    if (check === 'min_length' && minimum !== undefined) shortest = Math.max(shortest, minimum);
    else if (check === 'max_length' && maximum !== undefined) longest = Math.min(longest, maximum);
    else return null;
  }
  return length => length >= shortest && length <= longest;
}
