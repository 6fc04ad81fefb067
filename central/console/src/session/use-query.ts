import { useCallback, useEffect, useRef, useState } from 'react';
import type { ApiError } from './graphql.client';
import { onTopicChange, type Topic } from './topic';

export interface QueryState<T> {
  /** The last answer; kept while a newer one is on its way, so that nothing on the screen jumps. */
  readonly data: T | undefined;
  readonly error: ApiError | undefined;
  readonly loading: boolean;
  /** `data` answers another question than the one that is asked now. */
  readonly stale: boolean;
  readonly refetch: () => void;
}

/** Many changes in a row become one question. */
const SETTLE_MS = 250;
/** So many times as long as the last answer took is waited for changes: of a thousand sites something changes all the time. */
const SETTLE_ANSWERS = 3;

interface Answered<T> extends Omit<QueryState<T>, 'refetch' | 'stale'> {
  /** To which question `data` is the answer. */
  readonly dataKey: string | null;
}

/**
 * Asks when `key` changes, again whenever one of the topics changed, and `everyMs` after each answer. An answer to an older key is
 * dropped. One to the same key never is, however often it is asked for meanwhile: it is waited for, and then asked once more.
 * `key` is null while there is nothing to ask.
 */
export function useQuery<T>(
  key: string | null,
  ask: () => Promise<T>,
  topics: readonly Topic[],
  everyMs: number | null = null,
): QueryState<T> {
  const [state, setState] = useState<Answered<T>>({
    ...{ data: undefined, error: undefined, dataKey: null },
    loading: key !== null,
  });
  const asking = useRef(ask);
  asking.current = ask;
  const wanted = useRef(topics);
  wanted.current = topics;
  const tookMs = useRef(0);
  const askAgain = useRef<(() => void) | null>(null);
  const refetch = useCallback(() => askAgain.current?.(), []);

  useEffect(() => {
    if (key === null) return;
    let current = true;
    let isAsking = false;
    let isWanted = false;
    const askNow = async () => {
      isWanted = isAsking;
      if (isAsking) return;
      isAsking = true;
      setState(last => ({ ...last, loading: true }));
      do {
        isWanted = false;
        const askedAtMs = performance.now();
        const answered = await asking.current().then(
          data => () => ({ data, dataKey: key, error: undefined }),
          // What was answered to another question is no answer to this one.
          (error: ApiError) => (last: Answered<T>) => ({
            ...{ error, dataKey: key },
            data: last.dataKey === key ? last.data : undefined,
          }),
        );
        if (!current) return;
        tookMs.current = performance.now() - askedAtMs;
        const loading = isWanted;
        setState(last => ({ ...answered(last), loading }));
      } while (isWanted);
      isAsking = false;
    };
    askAgain.current = () => void askNow();
    void askNow();
    return () => {
      current = false;
      askAgain.current = null;
    };
  }, [key]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onTopicChange(topic => {
      if (!wanted.current.includes(topic)) return;
      timer ??= setTimeout(
        () => {
          timer = undefined;
          refetch();
        },
        Math.max(SETTLE_MS, SETTLE_ANSWERS * tookMs.current),
      );
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [refetch]);

  const { data, error, loading, dataKey } = state;
  const stale = data !== undefined && dataKey !== key;
  useEffect(() => {
    if (everyMs === null || loading) return;
    const timer = setTimeout(refetch, everyMs);
    return () => clearTimeout(timer);
  }, [everyMs, loading, refetch]);

  return { data, error, loading, stale, refetch };
}
