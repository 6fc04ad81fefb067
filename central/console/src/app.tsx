import { MantineProvider } from '@mantine/core';
import { Activity, useEffect } from 'react';
import { endSession, useSession } from './session/session.store';
import { Shell } from './shell/shell';
import { SignInPage } from './sign-in/sign-in.page';
import { theme } from './ui/theme';

/**
 * When a session has ended, nothing is shown, asked or played any more, but what its user has written, chosen and opened waits behind
 * the sign-in for the same user. Another one begins anew.
 */
export function App() {
  const { session, ended } = useSession();
  const expiresAtMs = session?.expiresAtMs;
  useEffect(() => {
    if (expiresAtMs === undefined) return;
    const timer = setTimeout(endSession, expiresAtMs - Date.now());
    return () => clearTimeout(timer);
  }, [expiresAtMs]);
  const userName = session?.userName ?? ended?.userName;
  return (
    <MantineProvider theme={theme} forceColorScheme="dark">
      {session === null && <SignInPage />}
      {userName !== undefined && (
        <Activity key={userName} mode={session === null ? 'hidden' : 'visible'}>
          <Shell />
        </Activity>
      )}
    </MantineProvider>
  );
}
