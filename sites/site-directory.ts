import path from 'node:path';
import type { RecordingServerId } from '@holdfast/schema';
import { SITE_LOG_FILE_NAME } from './log/site-log-file.js';

/** Where a site keeps its log, in its data directory. */
export function siteLogFileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'log', SITE_LOG_FILE_NAME);
}

/** What the parent gives back of a log that has lost it, until the log has it. */
export function pulledHistoryFileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'pulled-history.part');
}

/** Where a site whose log is on a server keeps what it knows of it. It may be deleted while the site does not run. */
export function kurrentIndexFileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'log', 'kurrent-index.sqlite');
}

/** The receipts of a log on a server. */
export function kurrentReceiptFileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'log', 'kurrent-receipts.sqlite');
}

/** Where the keys are kept under which texts about people are sealed. */
export function subjectKeyFileOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'keys', 'subject-keys.sqlite');
}

/** Where one of the site's recording servers keeps its media database. */
export function mediaDirectoryOf(dataDirectory: string, recordingServerId: RecordingServerId): string {
  return path.join(dataDirectory, 'media', recordingServerId);
}

/** Where it keeps what belongs there while that directory is away. */
export function standInDirectoryOf(dataDirectory: string, recordingServerId: RecordingServerId): string {
  return path.join(dataDirectory, 'media-stand-in', recordingServerId);
}

/** Where snapshots of the folds of its log are kept. It may be deleted. */
export function foldDirectoryOf(dataDirectory: string): string {
  return path.join(dataDirectory, 'folds');
}
