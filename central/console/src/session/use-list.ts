import { useState } from 'react';
import { type ApiError, type Connection, nodesOf, request, type Variables } from './graphql.client';
import type { Topic } from './topic';
import { useQuery } from './use-query';

export interface ListState<T> {
  readonly items: readonly T[];
  readonly total: number | undefined;
  readonly hasMore: boolean;
  readonly known: boolean;
  /** These are the lines of another filter; those of this one are on their way. */
  readonly stale: boolean;
  readonly error: ApiError | undefined;
  readonly more: () => void;
}

const PAGE_SIZE = 60;
/** The API's largest page. More lines than anybody reads; a filter finds better. */
const SIZE_LIMIT = 500;

/** The first lines of a connection, kept current. `document` takes `$filter` and `$first`. */
export function useList<T>(
  document: string,
  field: string,
  filter: Variables,
  topics: readonly Topic[],
): ListState<T> {
  const [size, setSize] = useState(PAGE_SIZE);
  const variables = { filter, first: size };
  const ask = () => request<Record<string, Connection<T>>>(document, variables);
  const { data, error, stale } = useQuery(field + JSON.stringify(variables), ask, topics);
  const connection = data?.[field];
  return {
    items: nodesOf(connection),
    total: connection?.totalCount,
    hasMore: connection?.pageInfo.hasNextPage === true && size < SIZE_LIMIT,
    known: data !== undefined,
    stale,
    error,
    more: () => setSize(Math.min(SIZE_LIMIT, size + PAGE_SIZE * 2)),
  };
}
