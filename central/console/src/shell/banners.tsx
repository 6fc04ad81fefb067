import { useState } from 'react';
import { useCentralConnection } from '../session/central-connection.store';
import { useSession } from '../session/session.store';
import { RenewSessionDialog } from '../sign-in/renew-session.dialog';
import { duration, shortTime, useNow } from '../ui/time';

/** A lost connection of a moment heals before anybody has read about it. */
const QUIET_MS = 1_500;
const RENEW_BEFORE_MS = 5 * 60_000;

export function Banners({ onRetry }: { readonly onRetry: () => void }) {
  const connection = useCentralConnection();
  const { session } = useSession();
  const now = useNow(500);
  const [renewing, setRenewing] = useState(false);
  const silentMs = now - connection.sinceMs;
  const leftMs = session === null ? 0 : session.expiresAtMs - now;
  const retry =
    connection.retryAtMs !== null && connection.retryAtMs > now
      ? `Next attempt in ${Math.ceil((connection.retryAtMs - now) / 1000)} s.`
      : 'Trying now …';
  return (
    <>
      {connection.state === 'DOWN' && silentMs > QUIET_MS && (
        <div className="banner" role="alert" data-testid="central-unreachable">
          <b>The central has not answered since {shortTime(connection.sinceMs)}.</b>
          <span className="grow clip">
            What you see is {duration(silentMs)} old. Sites go on recording without it. {retry}
          </span>
          <button type="button" className="plain" onClick={onRetry}>
            Try now
          </button>
        </div>
      )}
      {session !== null && leftMs < RENEW_BEFORE_MS && (
        <div className="banner warn" role="status">
          <span className="grow">Your session ends in {duration(leftMs)}.</span>
          <button type="button" className="plain" onClick={() => setRenewing(true)}>
            Renew
          </button>
        </div>
      )}
      <RenewSessionDialog opened={renewing} onClose={() => setRenewing(false)} />
    </>
  );
}
