import { actorOfUser } from '@holdfast/core';
import type { EventId, Subject } from '@holdfast/schema';
import type { Logger } from 'pino';
import { v7 } from 'uuid';
import { FoldFiles } from '../log/fold-files.js';
import { readSiteLogFile } from '../log/site-log-reader.js';
import { openSqliteSiteLog } from '../log/sqlite-site-log.js';
import { type CommandOutcome, ManagementServer } from '../management-server/management-server.js';
import { foldDirectoryOf, siteLogFileOf, subjectKeyFileOf } from '../site-directory.js';
import { loadSiteKeys } from '../site-keys.js';
import { SubjectKeys } from './subject-keys.js';

export type ErasedSubject = CommandOutcome & { readonly subject: Subject };

/**
 * Erases a subject at a site that does not run, by the same rule as a running one. Throws `SiteLogFileError`, `IN_USE` when the
 * site runs.
 */
export async function eraseSubject(
  dataDirectory: string,
  who: { readonly subject: Subject } | { readonly userName: string },
  { operator, logger }: { readonly operator: string; readonly logger: Logger },
): Promise<ErasedSubject> {
  const { logKey: signingKey, sealingKeyPem } = loadSiteKeys(dataDirectory);
  const file = siteLogFileOf(dataDirectory);
  const siteId = siteOf(file);
  await using log = await openSqliteSiteLog({ file, site: siteId, now: Date.now, signingKey });
  using subjectKeys = SubjectKeys.open({
    file: subjectKeyFileOf(dataDirectory),
    sealingKeyPem,
    site: siteId,
  });
  const subject = 'subject' in who ? who.subject : subjectKeys.subjectOfUser(who.userName);
  const management = await ManagementServer.open({
    ...{ log, siteId, now: Date.now, newId: () => v7() as EventId, logger, subjectKeys },
    folds: new FoldFiles({ directory: foldDirectoryOf(dataDirectory), logger }),
  });
  const outcome = await management.execute(
    { kind: 'EraseSubject', subject },
    {
      actor: actorOfUser(subjectKeys, operator),
    },
  );
  return { ...outcome, subject };
}

function siteOf(file: string) {
  using log = readSiteLogFile(file);
  return log.head().site;
}
