import { z } from 'zod';

/** One kind of event: what may have happened, and the exact shape of its data today and in every version before. */
export interface EventDefinition<Type extends string = string, Data extends z.ZodType = z.ZodType> {
  readonly type: Type;
  /** Under which it is written today: one more than there are earlier ones. */
  readonly version: number;
  readonly data: Data;
  /** Versions 1, 2, … as they were once written: logs hold them for ever. */
  readonly earlier: readonly EarlierVersion[];
  /** `passing`. */
  readonly passes?: true;
  /** `unhurried`. */
  readonly isUnhurried?: true;
  /** `forOlderSoftware`. */
  readonly isForOlderSoftware?: true;
}

/** A version before today's. It is written no more, except `forOlderSoftware`. */
export interface EarlierVersion {
  readonly data: z.ZodType;
  /** Makes data of this version into data of the next one: pure, from the data alone. */
  readonly raise: (data: unknown) => unknown;
}

/**
 * `earlier`: every version before, oldest first, each by `raised`. Readers see today's version alone: what was written under an
 * earlier one is raised step by step when it is read, and the stored bytes stay as they are.
 */
export function defineEvent<const Type extends string, Data extends z.ZodType>(
  type: Type,
  version: number,
  data: Data,
  earlier: readonly EarlierVersion[] = [],
): EventDefinition<Type, Data> {
  if (earlier.length !== version - 1) {
    throw new TypeError(`${type} version ${version}: ${earlier.length} earlier versions are given`);
  }
  return { type, version, data, earlier };
}

/**
 * An event that tells of a moment: no state that a site decides on is made of it. Whatever is not passing is carried over the cut
 * when the beginning of a log is truncated, so that forgetting to mark an event costs room and nothing else.
 */
export function passing<Definition extends EventDefinition>(
  definition: Definition,
): Definition & { readonly passes: true } {
  return { ...definition, passes: true };
}

/** An event that nobody waits for: on its way to a parent it may wait a moment for others to go with it. */
export function unhurried<Definition extends EventDefinition>(
  definition: Definition,
): Definition & { readonly isUnhurried: true } {
  return { ...definition, isUnhurried: true };
}

/**
 * An event that another site acts on, whose software may be older: it is written under the lowest version that takes its data as they
 * are, so that who asks for nothing new is understood by everybody. What an earlier version cannot mean it must therefore not take.
 */
export function forOlderSoftware<Definition extends EventDefinition>(
  definition: Definition,
): Definition & { readonly isForOlderSoftware: true } {
  return { ...definition, isForOlderSoftware: true };
}

/** A version as it was, and the step to the next one. */
export function raised<Before extends z.ZodType>(
  data: Before,
  raise: (data: z.infer<Before>) => unknown,
): EarlierVersion {
  return { data, raise: before => raise(before as z.infer<Before>) };
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
