import {
  type ASTVisitor,
  type FieldNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
} from 'graphql';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../read-models/page.query.js';

/** The console's deepest query has 7 levels. Introspection, which is of known size, is not counted. */
export const QUERY_DEPTH_MAX = 14;
/** Objects and values that an answer could have: a page of 500 devices with everything about them fits. */
export const QUERY_COST_MAX = 100_000;
/** Longer documents are refused before they are parsed to the end. */
export const QUERY_TOKENS_MAX = 5000;
/** Lists that are not connections have few entries: children of a site, spans of a timeline. */
const UNPAGED_COST = 1;
/** What `first: $variable` counts as: rules see the document, not the variables. Pages are bounded in any case. */
const VARIABLE_PAGE_COST = 100;

/** A validation rule: refuses queries that would nest too deep or answer with too much, before anything is read. */
export function queryLimits(context: ValidationContext): ASTVisitor {
  return {
    OperationDefinition(operation: OperationDefinitionNode) {
      const { depth, cost } = new QueryMeasure(context).measure(operation.selectionSet, 1, 1, new Set());
      if (depth > QUERY_DEPTH_MAX) {
        report(
          context,
          operation,
          'QUERY_TOO_DEEP',
          `the query nests ${depth} deep, ${QUERY_DEPTH_MAX} is allowed`,
        );
      } else if (cost > QUERY_COST_MAX) {
        report(
          context,
          operation,
          'QUERY_TOO_COMPLEX',
          `the query could answer with ${cost} values, ${QUERY_COST_MAX} are allowed: ask for smaller pages`,
        );
      }
    },
  };
}

function report(
  context: ValidationContext,
  node: OperationDefinitionNode,
  code: string,
  message: string,
): void {
  // `limit`: Apollo puts a code of its own over that of any rule.
  context.reportError(new GraphQLError(message, { nodes: [node], extensions: { code, limit: code } }));
}

interface Measured {
  readonly depth: number;
  readonly cost: number;
}

class QueryMeasure {
  readonly #context: ValidationContext;
  /** Fields seen; a document that unfolds without end (fragments within fragments) stops here. */
  #visits = 0;

  constructor(context: ValidationContext) {
    this.#context = context;
  }

  measure(
    selections: SelectionSetNode,
    depth: number,
    factor: number,
    within: ReadonlySet<FragmentDefinitionNode>,
  ): Measured {
    let deepest = depth;
    let cost = 0;
    for (const selection of selections.selections) {
      if (++this.#visits > QUERY_COST_MAX) return { depth: deepest, cost: Number.MAX_SAFE_INTEGER };
      const measured =
        selection.kind === Kind.FIELD
          ? this.#field(selection, depth, factor, within)
          : selection.kind === Kind.INLINE_FRAGMENT
            ? this.measure(selection.selectionSet, depth, factor, within)
            : this.#spread(selection.name.value, depth, factor, within);
      deepest = Math.max(deepest, measured.depth);
      cost += measured.cost;
    }
    return { depth: deepest, cost };
  }

  #field(
    field: FieldNode,
    depth: number,
    factor: number,
    within: ReadonlySet<FragmentDefinitionNode>,
  ): Measured {
    if (field.name.value.startsWith('__')) return { depth, cost: 0 };
    if (!field.selectionSet) return { depth, cost: factor };
    const inner = this.measure(field.selectionSet, depth + 1, factor * pageFactor(field), within);
    return { depth: inner.depth, cost: inner.cost + factor };
  }

  #spread(
    name: string,
    depth: number,
    factor: number,
    within: ReadonlySet<FragmentDefinitionNode>,
  ): Measured {
    const fragment = this.#context.getFragment(name);
    if (!fragment || within.has(fragment)) return { depth, cost: 0 };
    return this.measure(fragment.selectionSet, depth, factor, new Set([...within, fragment]));
  }
}

/** Connections are known by their `edges` (which may stand in a fragment), their size by `first` or `last`. */
function pageFactor(field: FieldNode): number {
  const isConnection = field.selectionSet?.selections.some(
    selection => selection.kind !== Kind.FIELD || selection.name.value === 'edges',
  );
  const size = field.arguments?.find(({ name }) => name.value === 'first' || name.value === 'last')?.value;
  if (size?.kind === Kind.INT) return Math.min(Number(size.value), PAGE_SIZE_MAX);
  if (size) return VARIABLE_PAGE_COST;
  return isConnection ? PAGE_SIZE_DEFAULT : UNPAGED_COST;
}
