import { Button, PasswordInput, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { refusalsInWords, type SignInRefusal, signIn, useSession } from '../session/session.store';
import { Icon } from '../ui/icon';
import './sign-in.css';

export function SignInPage() {
  const { ended } = useSession();
  const [userName, setUserName] = useState(ended?.userName ?? '');
  const [password, setPassword] = useState('');
  const [refusal, setRefusal] = useState<SignInRefusal | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setRefusal(await signIn(userName.trim(), password));
    setBusy(false);
  };
  return (
    <main className="sign-in">
      <form onSubmit={submit} aria-label="Sign in" data-testid="sign-in-form">
        <div className="sign-in-mark">
          <Icon name="central" size={30} />
          <div>
            <h1>Holdfast</h1>
            <p>Every site as one, with proof</p>
          </div>
        </div>
        <TextInput
          label="User name"
          size="sm"
          autoComplete="username"
          required
          withAsterisk={false}
          autoFocus={ended === null}
          value={userName}
          onChange={event => setUserName(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          size="sm"
          autoComplete="current-password"
          required
          withAsterisk={false}
          autoFocus={ended !== null}
          value={password}
          onChange={event => setPassword(event.currentTarget.value)}
        />
        <p className="sign-in-message" role="alert" data-testid="sign-in-message">
          {refusal !== null ? refusalsInWords[refusal] : (ended?.because ?? '')}
        </p>
        <Button type="submit" size="sm" fullWidth disabled={busy} mt={6}>
          {busy ? 'Signing in …' : 'Sign in'}
        </Button>
      </form>
    </main>
  );
}
