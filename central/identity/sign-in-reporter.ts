import { actorOfUser, newEvent, type PersonalTexts, type SiteLog } from '@holdfast/core';
import type { EventId } from '@holdfast/schema';
import type { Logger } from 'pino';

/** Sign-ins on their way into the log; when the log stalls, more are only in this process's log output. */
const WAITING_MAX = 100;

export interface SignInReporterOptions {
  readonly log: SiteLog;
  readonly personal: PersonalTexts;
  readonly now: () => number;
  readonly newEventId: () => EventId;
  readonly logger: Logger;
}

export interface SignIn {
  readonly granted: boolean;
  readonly userName: string;
  readonly address: string;
}

/** Makes every sign-in, granted or refused, a fact of the central's log. */
export function signInReporter(options: SignInReporterOptions): (signIn: SignIn) => void {
  let waiting = 0;
  return signIn => {
    if (waiting >= WAITING_MAX) {
      options.logger.warn({ granted: signIn.granted }, 'a sign-in is not written to the log: it stalls');
      return;
    }
    waiting += 1;
    report(options, signIn)
      .catch(error => options.logger.error({ err: error }, 'a sign-in could not be written to the log'))
      .finally(() => {
        waiting -= 1;
      });
  };
}

async function report(
  { personal, log, newEventId, now, logger }: SignInReporterOptions,
  { granted, userName, address }: SignIn,
): Promise<void> {
  const subject = personal.subjectOfUser(userName);
  logger.info({ subject, granted }, 'sign-in');
  const data = { userName: personal.seal(subject, userName), address: personal.seal(subject, address) };
  const event = newEvent(
    { type: granted ? 'UserSignedIn' : 'SignInRefused', data },
    {
      id: newEventId(),
      // Who was refused is nobody yet.
      actor: granted ? actorOfUser(personal, userName) : `address:${data.address}`,
      occurredAtMs: now(),
      clockQuality: 'UNKNOWN',
    },
  );
  await log.append([{ stream: 'sign-ins', expected: 'any', events: [event] }]);
}
