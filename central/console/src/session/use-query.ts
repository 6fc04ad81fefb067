import { useCallback, useEffect, useRef, useState } from 'react';
import type { ApiError } from './graphql.client';
import { onTopicChange, type Topic } from './topic';

export interface QueryState<T> {
  /** The last answer; kept while a newer one is on its way, so that nothing on the screen jumps. */
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
  readonly loading: boolean;
  readonly refetch: () => void;
}

/** Many changes in a row become one question. */
const SETTLE_MS = 250;

/**
 * Asks when `key` changes and again whenever one of the topics changed. An answer to an older key is dropped.
 * `key` is null while there is nothing to ask.
 */
export function useQuery<T>(
  key: string | null,
  ask: () => Promise<T>,
  topics: readonly Topic[],
): QueryState<T> {
  const [state, setState] = useState<Omit<QueryState<T>, 'refetch'>>({
    data: undefined,
    error: undefined,
    loading: key !== null,
  });
  const asking = useRef(ask);
  asking.current = ask;
  const wanted = useRef(topics);
  wanted.current = topics;
  const [round, setRound] = useState(0);
  const refetch = useCallback(() => setRound(value => value + 1), []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: a new round asks the same question again.
  useEffect(() => {
    if (key === null) return;
    let current = true;
    setState(last => ({ ...last, loading: true }));
    asking.current().then(
      data => current && setState({ data, error: undefined, loading: false }),
      (error: ApiError) => current && setState(last => ({ ...last, error, loading: false })),
    );
    return () => {
      current = false;
    };
  }, [key, round]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onTopicChange(topic => {
      if (!wanted.current.includes(topic)) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        refetch();
      }, SETTLE_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [refetch]);

  return { ...state, refetch };
}
