import { Subject } from '@holdfast/schema';
import { eraseSubject, SiteLogFileError } from '@holdfast/sites';
import { pino } from 'pino';
import { machineOperator } from '../operator/operator-log.js';
import { logFileOrReport } from './log.command.js';
import { EXIT_WRONG_USE } from './process-lifetime.js';

const EXIT_NO = 1;

/** `holdfast subject erase DIR`: destroys the keys of a subject at a site that does not run, and says so in its log. */
export async function subjectEraseCommand(
  directory: string,
  options: { readonly user?: string; readonly subject?: string },
): Promise<number> {
  const who = subjectOf(options);
  if (who === null) {
    const expected = 'user-<pseudonym>, alarm-<id> or evidence-lock-<id>';
    process.stderr.write(`holdfast: expected --user NAME, or --subject with ${expected}\n`);
    return EXIT_WRONG_USE;
  }
  if (logFileOrReport(directory) === null) return EXIT_WRONG_USE;
  try {
    const outcome = await eraseSubject(directory, who, {
      ...{ operator: machineOperator(), logger: pino({ level: 'warn' }, pino.destination(2)) },
    });
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
    return outcome.accepted ? 0 : EXIT_NO;
  } catch (error) {
    if (!(error instanceof SiteLogFileError) || error.fault !== 'IN_USE') throw error;
    process.stderr.write(
      `holdfast: ${directory}: the site runs: ask it by eraseSubject of its API, or stop it first\n`,
    );
    return EXIT_NO;
  }
}

function subjectOf({
  user,
  subject,
}: {
  readonly user?: string;
  readonly subject?: string;
}): { readonly userName: string } | { readonly subject: Subject } | null {
  if (user !== undefined) return subject === undefined ? { userName: user } : null;
  const parsed = Subject.safeParse(subject);
  return parsed.success ? { subject: parsed.data } : null;
}
