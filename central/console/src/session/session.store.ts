import { useSyncExternalStore } from 'react';
import { clock, zoneAt } from '../ui/time';

/** Who is signed in. Kept for the life of the browser tab only. */
export interface Session {
  readonly token: string;
  readonly userName: string;
  readonly expiresAtMs: number;
}

export interface SessionState {
  readonly session: Session | null;
  /** Whose session has ended by itself, and why; null when nobody has signed in yet or on a wish to sign out. */
  readonly ended: { readonly userName: string; readonly because: string } | null;
}

const STORAGE_KEY = 'holdfast.session';
/** RFC 6749 leaves `expires_in` optional; the central's tokens are good for an hour. */
const DEFAULT_LIFETIME_S = 3600;

function readStored(): Session | null {
  try {
    const stored = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? 'null') as Session | null;
    return stored !== null && stored.expiresAtMs > Date.now() ? stored : null;
  } catch {
    return null;
  }
}

let state: SessionState = { session: readStored(), ended: null };
const listeners = new Set<() => void>();

function change(next: SessionState): void {
  state = next;
  if (next.session === null) sessionStorage.removeItem(STORAGE_KEY);
  else sessionStorage.setItem(STORAGE_KEY, JSON.stringify(next.session));
  for (const listener of listeners) listener();
}

export function onSessionChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const currentSession = (): Session | null => state.session;
export const useSession = (): SessionState => useSyncExternalStore(onSessionChange, () => state);

export function signOut(): void {
  change({ session: null, ended: null });
}

/** The time of the token is over, or the central accepts it no more. What the user was doing waits for him. */
export function endSession(): void {
  if (state.session === null) return;
  const { userName, expiresAtMs } = state.session;
  const at = `${clock(Math.min(Date.now(), expiresAtMs))} ${zoneAt(Date.now())}`;
  const because = `Your session ended at ${at}. Sign in again to continue where you were: what you have written is kept.`;
  change({ session: null, ended: { userName, because } });
}

export type SignInRefusal = 'WRONG_PASSWORD' | 'TOO_MANY' | 'UNREACHABLE' | 'REFUSED';

export const refusalsInWords: Record<SignInRefusal, string> = {
  WRONG_PASSWORD: 'The user name or the password is not right.',
  TOO_MANY: 'Too many attempts. Wait a little, then try again.',
  UNREACHABLE: 'The central does not answer. It may be starting or the network may be down.',
  REFUSED: 'The central refused the sign-in for another reason. Its log says which.',
};

interface TokenAnswer {
  readonly access_token?: string;
  readonly expires_in?: number;
}

/** Resource owner password credentials (RFC 6749 §4.3), as scripts do. Returns why not, or null when signed in. */
export async function signIn(userName: string, password: string): Promise<SignInRefusal | null> {
  const form = new URLSearchParams({
    grant_type: 'password',
    username: userName,
    password,
    client_id: 'GrantValidatorClient',
  });
  let response: Response;
  try {
    response = await fetch('/API/IDP/connect/token', { method: 'POST', body: form });
  } catch {
    return 'UNREACHABLE';
  }
  if (response.status === 400 || response.status === 401) return 'WRONG_PASSWORD';
  if (response.status === 429) return 'TOO_MANY';
  if (response.status >= 502) return 'UNREACHABLE';
  if (!response.ok) return 'REFUSED';
  const answer = (await response.json()) as TokenAnswer;
  if (answer.access_token === undefined) return 'REFUSED';
  const expiresAtMs = Date.now() + (answer.expires_in ?? DEFAULT_LIFETIME_S) * 1000;
  change({ session: { token: answer.access_token, userName, expiresAtMs }, ended: null });
  return null;
}
