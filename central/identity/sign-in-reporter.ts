import { newEvent, type SiteLog } from '@holdfast/core';
import type { EventId } from '@holdfast/schema';
import type { Logger } from 'pino';

/** Sign-ins on their way into the log; when the log stalls, more are only in this process's log output. */
const WAITING_MAX = 100;

/** Makes every sign-in, granted or refused, a fact of the central's log. */
export function signInReporter(options: {
  readonly log: SiteLog;
  readonly now: () => number;
  readonly newEventId: () => EventId;
  readonly logger: Logger;
}): (signIn: { readonly granted: boolean; readonly userName: string; readonly address: string }) => void {
  let waiting = 0;
  return ({ granted, userName, address }) => {
    options.logger.info({ userName, address, granted }, 'sign-in');
    if (waiting >= WAITING_MAX) return;
    waiting += 1;
    const event = newEvent(
      { type: granted ? 'UserSignedIn' : 'SignInRefused', data: { userName, address } },
      {
        id: options.newEventId(),
        actor: granted ? `user:${userName}` : `address:${address}`,
        occurredAtMs: options.now(),
        clockQuality: 'UNKNOWN',
      },
    );
    options.log
      .append([{ stream: 'sign-ins', expected: 'any', events: [event] }])
      .catch(error => options.logger.error({ err: error }, 'a sign-in could not be written to the log'))
      .finally(() => {
        waiting -= 1;
      });
  };
}
