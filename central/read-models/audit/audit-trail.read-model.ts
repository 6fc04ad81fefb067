import type { HoldfastEvent } from '@holdfast/schema';
import type { FeedEvent } from '../feed-event.js';
import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';

export interface AuditEntryRow {
  readonly seq: number;
  readonly id: string;
  readonly atMs: number;
  /** `user:<name>` */
  readonly actor: string;
  readonly siteId: string;
  readonly action: string;
  readonly granted: boolean;
  readonly subject: string;
}

const entries = new ModelTable<AuditEntryRow>('audit_entry', ['seq']);

/** Who did what: sign-ins, and every fact that a user brought about. */
export const auditTrailReadModel = defineReadModel({
  name: 'audit-trail',
  version: 5,
  poison: 'skip-and-record',
  checked: 'BY_SITE',
  tables: ['audit_entry'],
  eventTypes: 'ALL',
  async fold(events, context) {
    const rows: AuditEntryRow[] = [];
    for (const event of events) {
      const said = describe(event);
      if (said === null) continue;
      const { seq, id, recordedAtMs: atMs, site: siteId } = event;
      rows.push({ seq, id, atMs, siteId, ...said });
    }
    await entries.append(context, rows);
  },
});

function describe({
  actor,
  stream,
  event,
}: FeedEvent<HoldfastEvent>): Pick<AuditEntryRow, 'actor' | 'action' | 'granted' | 'subject'> | null {
  switch (event.type) {
    case 'UserSignedIn':
    case 'SignInRefused': {
      const { userName, address } = event.data;
      const granted = event.type === 'UserSignedIn';
      return { actor: `user:${userName}`, action: 'SignIn', granted, subject: address };
    }
    case 'CommandIssued': {
      const { command, targetSiteId } = event.data;
      if (!actor.startsWith('user:')) return null;
      return { actor, action: command.kind, granted: true, subject: `site-${targetSiteId}` };
    }
    case 'CommandRejected': {
      const { code, commandId } = event.data;
      return { actor, action: code, granted: false, subject: `command-${commandId}` };
    }
    // Told by the recording server, at the wish of somebody.
    case 'OutputActivated':
    case 'OutputDeactivated':
    case 'SpeakingStarted':
    case 'SpeakingEnded':
    case 'PtzSessionStarted':
    case 'PtzSessionEnded':
    case 'PtzPresetSaved':
    case 'PtzPresetRenamed':
    case 'PtzPresetDeleted':
      return { actor: event.data.askedBy, action: event.type, granted: true, subject: stream };
    // The site's bookkeeping about a command; what the command brought about has entries of its own.
    case 'CommandApplied':
    case 'CommandExpired':
      return null;
    default:
      if (!actor.startsWith('user:')) return null;
      return { actor, action: event.type, granted: true, subject: stream };
  }
}
