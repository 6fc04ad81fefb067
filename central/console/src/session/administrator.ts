import { request } from './graphql.client';
import { useQuery } from './use-query';

/** Who is one may have been made one meanwhile; and an answer that did not come is asked for again. */
const LOOK_MS = 60_000;
const ME = 'query Me { me { administrator } }';

/** Whether who is signed in may do what administrators may. False until that is known. */
export function useIsAdministrator(): boolean {
  const ask = () => request<{ me: { administrator: boolean } | null }>(ME);
  return useQuery('administrator', ask, [], LOOK_MS).data?.me?.administrator === true;
}
