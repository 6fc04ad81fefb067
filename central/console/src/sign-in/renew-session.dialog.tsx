import { Button, Modal, PasswordInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { refusalsInWords, signIn, useSession } from '../session/session.store';
import { clock, zoneAt } from '../ui/time';

/** A session lasts an hour and a shift eight: renewing it here leaves every picture running. */
export function RenewSessionDialog({
  opened,
  onClose,
}: {
  readonly opened: boolean;
  readonly onClose: () => void;
}) {
  const { session } = useSession();
  const [password, setPassword] = useState('');
  const [error, setError] = useState('');
  if (session === null) return null;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const refusal = await signIn(session.userName, password);
    setPassword('');
    setError(refusal === null ? '' : refusalsInWords[refusal]);
    if (refusal === null) onClose();
  };
  return (
    <Modal opened={opened} onClose={onClose} title="Renew the session" size="sm">
      <form className="form" onSubmit={submit}>
        <p className="dim" style={{ margin: 0 }}>
          {session.userName} is signed in until {clock(session.expiresAtMs)} {zoneAt(session.expiresAtMs)}.
          Nothing on the screen is interrupted.
        </p>
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          data-autofocus
          value={password}
          error={error}
          onChange={event => setPassword(event.currentTarget.value)}
        />
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" disabled={password === ''}>
            Renew
          </Button>
        </div>
      </form>
    </Modal>
  );
}
