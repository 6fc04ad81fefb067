import { MantineProvider } from '@mantine/core';
import { useSession } from './session/session.store';
import { Shell } from './shell/shell';
import { SignInPage } from './sign-in/sign-in.page';
import { theme } from './ui/theme';

export function App() {
  const { session } = useSession();
  return (
    <MantineProvider theme={theme} forceColorScheme="dark">
      {session === null ? <SignInPage /> : <Shell />}
    </MantineProvider>
  );
}
