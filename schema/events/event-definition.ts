import { z } from 'zod';

/** One kind of event at one schema version: what may have happened, and the exact shape of its data. */
export interface EventDefinition<Type extends string = string, Data extends z.ZodType = z.ZodType> {
  readonly type: Type;
  readonly version: number;
  readonly data: Data;
}

export function defineEvent<const Type extends string, Data extends z.ZodType>(
  type: Type,
  version: number,
  data: Data,
): EventDefinition<Type, Data> {
  return { type, version, data };
}

/** An event as deciders see it: its type and its data, without the envelope. */
export type EventOf<Definition> =
  Definition extends EventDefinition<infer Type, infer Data>
    ? { readonly type: Type; readonly data: Readonly<z.infer<Data>> }
    : never;

/** Milliseconds since the Unix epoch, UTC. */
export const UnixMs = z.int().nonnegative();

/** SHA-256, lower-case hexadecimal. */
export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

export const Name = z.string().trim().min(1).max(200);
export const Text = z.string().max(4000);
