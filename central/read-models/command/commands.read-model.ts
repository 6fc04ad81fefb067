import type { SiteCommand } from '@holdfast/schema';
import { ModelTable } from '../model-table.js';
import { defineReadModel, IndigestibleEventError } from '../read-model.js';

export interface CommandRow {
  readonly id: string;
  readonly targetSiteId: string;
  readonly kind: SiteCommand['kind'];
  /** What it is about: an alarm, a lock, a device, hardware. */
  readonly entityId: string | null;
  readonly state: 'PENDING' | 'APPLIED' | 'REJECTED' | 'EXPIRED';
  readonly code: string | null;
  readonly message: string | null;
  readonly issuedAtMs: number;
  readonly issuedBy: string;
}

const commands = new ModelTable<CommandRow>('command', ['id']);

/** The wishes of this site for others, and what became of them. */
export const commandsReadModel = defineReadModel({
  name: 'commands',
  version: 4,
  poison: 'stall-stream',
  checked: 'AS_A_WHOLE',
  tables: ['command'],
  eventTypes: ['CommandIssued', 'CommandApplied', 'CommandRejected', 'CommandExpired'],
  async fold(events, { tx, ownSite }) {
    const rows = await commands.load(
      tx,
      'id',
      events.map(({ event }) => event.data.commandId),
    );
    for (const { site, actor, recordedAtMs, event } of events) {
      if (event.type === 'CommandIssued') {
        if (site !== ownSite) continue;
        const { commandId: id, targetSiteId, command } = event.data;
        rows.set(id, {
          ...{ id, targetSiteId, kind: command.kind, entityId: entityOf(command), state: 'PENDING' },
          ...{ code: null, message: null, issuedAtMs: recordedAtMs, issuedBy: actor },
        });
        continue;
      }
      const { commandId: id, parentSiteId } = event.data;
      const known = rows.get(id);
      // The answer to another parent's wish.
      if (parentSiteId !== ownSite) continue;
      // After a reset of this site's log a wish may come back only behind its answer: nobody waits for it any more.
      if (!known) continue;
      if (known.targetSiteId !== site) {
        throw new IndigestibleEventError(`command ${id} was for site ${known.targetSiteId}, not ${site}`);
      }
      if (event.type === 'CommandRejected') {
        const { code, message } = event.data;
        rows.set(id, { ...known, state: 'REJECTED', code, message });
      } else {
        rows.set(id, { ...known, state: event.type === 'CommandApplied' ? 'APPLIED' : 'EXPIRED' });
      }
    }
    await commands.save(tx, rows.values());
  },
});

function entityOf(command: SiteCommand): string | null {
  switch (command.kind) {
    case 'AddHardware':
    case 'RemoveHardware':
    case 'MoveHardware':
      return command.hardwareId;
    case 'ConfigureDevice':
      return command.deviceId;
    case 'RaiseAlarm':
    case 'HandleAlarm':
      return command.alarmId;
    case 'CreateEvidenceLock':
    case 'ExtendEvidenceLock':
    case 'ReleaseEvidenceLock':
      return command.evidenceLockId;
    case 'StartRecording':
    case 'StopRecording':
      return command.deviceId;
    case 'CreateBookmark':
      return command.bookmarkId;
    case 'EraseSubject':
      return null;
  }
}
