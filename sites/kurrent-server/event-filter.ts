import type { ServedEvent } from './served-streams.js';

/** Prefixes in one filter, and characters in a prefix or an expression. */
const PREFIXES_MAX = 100;
const EXPRESSION_CHARACTERS_MAX = 256;
/** Each may try every length of a name: three of them in 200 characters are still quick. */
const QUANTIFIERS_MAX = 3;

export class EventFilterError extends Error {
  override readonly name = 'EventFilterError';
  readonly code = 'EVENT_FILTER';
}

export interface EventFilterRequest {
  readonly on: 'STREAM' | 'TYPE';
  readonly prefixes: readonly string[];
  /** Used when there are no prefixes. */
  readonly expression: string;
}

export type EventFilter = (event: Pick<ServedEvent, 'stream' | 'type'>) => boolean;

/**
 * A filter over the names of streams or types. Of regular expressions, those that could take long are refused: what comes
 * over a wire must not hold up a site. Throws `EventFilterError`.
 */
export function eventFilter({ on, prefixes, expression }: EventFilterRequest): EventFilter {
  const nameOf =
    on === 'STREAM' ? (event: { stream: string }) => event.stream : (event: { type: string }) => event.type;
  if (prefixes.length > 0) {
    if (prefixes.length > PREFIXES_MAX || prefixes.some(({ length }) => length > EXPRESSION_CHARACTERS_MAX)) {
      throw new EventFilterError(
        `at most ${PREFIXES_MAX} prefixes of at most ${EXPRESSION_CHARACTERS_MAX} characters`,
      );
    }
    return event => prefixes.some(prefix => nameOf(event).startsWith(prefix));
  }
  const pattern = safeExpression(expression);
  return event => pattern.test(nameOf(event));
}

function safeExpression(expression: string): RegExp {
  if (expression === '' || expression.length > EXPRESSION_CHARACTERS_MAX) {
    throw new EventFilterError(`an expression has 1 to ${EXPRESSION_CHARACTERS_MAX} characters`);
  }
  // Outside of classes and escapes only, where these characters mean themselves.
  const bare = expression.replace(/\\[^0-9k]/g, 'x').replace(/\[(?:\\.|[^\]\\])*\]/g, 'x');
  if (/\)[*+?{]/.test(bare)) throw new EventFilterError(`'${expression}' repeats a group`);
  if (/\(\?(?!:)|\\/.test(bare)) throw new EventFilterError(`'${expression}' looks around or back`);
  const quantifierCount = bare.match(/[*+?{]/g)?.length ?? 0;
  if (quantifierCount > QUANTIFIERS_MAX) {
    throw new EventFilterError(`'${expression}' repeats more than ${QUANTIFIERS_MAX} times`);
  }
  try {
    return new RegExp(expression);
  } catch (cause) {
    throw new EventFilterError(`'${expression}' is not a regular expression`, { cause });
  }
}
