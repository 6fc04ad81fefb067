import { noteAnswer, noteSilence } from './central-connection.store';
import { currentSession, endSession } from './session.store';

/** The API said no, or did not say anything. `code` is `extensions.code`, or `UNREACHABLE`. */
export class ApiError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
  }
}

export type Variables = Readonly<Record<string, unknown>>;

interface GraphqlAnswer<T> {
  readonly data?: T | null;
  readonly errors?: readonly { message: string; extensions?: { code?: string } }[];
}

/** Longer than the slowest honest answer, shorter than an operator's patience. */
const REQUEST_TIMEOUT_MS = 15_000;

async function post(document: string, variables: Variables): Promise<Response> {
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${currentSession()?.token ?? ''}`,
      },
      body: JSON.stringify({ query: document, variables }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (response.status >= 502) throw new Error(`HTTP ${response.status}`);
    noteAnswer();
    return response;
  } catch (error) {
    noteSilence();
    throw new ApiError('UNREACHABLE', `The central does not answer (${(error as Error).message}).`);
  }
}

export async function request<T>(document: string, variables: Variables = {}): Promise<T> {
  const response = await post(document, variables);
  const answer = (await response.json().catch(() => ({}))) as GraphqlAnswer<T>;
  const first = answer.errors?.[0];
  if (response.status === 401 || first?.extensions?.code === 'UNAUTHENTICATED') {
    endSession();
    throw new ApiError('UNAUTHENTICATED', 'Your session has ended: sign in again.');
  }
  if (first !== undefined) throw new ApiError(first.extensions?.code ?? 'UNKNOWN', first.message);
  if (answer.data === undefined || answer.data === null)
    throw new ApiError('UNKNOWN', `The central answered ${response.status} without data.`);
  return answer.data;
}

export interface Connection<T> {
  readonly edges: readonly { readonly cursor: string; readonly node: T }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
  readonly totalCount: number;
}

export const nodesOf = <T>(connection: Connection<T> | undefined): T[] =>
  connection?.edges.map(edge => edge.node) ?? [];

/** Of 500 each: 1000 sites with 50 devices. */
const PAGE_LIMIT = 100;

/** Every node of a connection; `document` takes `$after`. More than the limit is an error: a part must not pass for all. */
export async function requestAll<T>(
  document: string,
  field: string,
  variables: Variables = {},
): Promise<T[]> {
  const nodes: T[] = [];
  let after: string | null = null;
  for (let page = 0; page < PAGE_LIMIT; page += 1) {
    const answer: Record<string, Connection<T>> = await request(document, { ...variables, after });
    const connection = answer[field];
    nodes.push(...nodesOf(connection));
    if (connection?.pageInfo.hasNextPage !== true) return nodes;
    after = connection.pageInfo.endCursor;
  }
  throw new ApiError(
    'TOO_MANY',
    `There are more than ${nodes.length} ${field}, which this console does not show.`,
  );
}
