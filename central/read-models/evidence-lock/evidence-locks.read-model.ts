import type { DeviceLockReport } from '@holdfast/core';
import type { HoldfastEvent } from '@holdfast/schema';
import { ModelTable, mustBelongTo } from '../model-table.js';
import { defineReadModel, IndigestibleEventError } from '../read-model.js';

export interface EvidenceLockRow {
  readonly id: string;
  readonly siteId: string;
  readonly headline: string;
  readonly description: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** Null: until released. */
  readonly expiresAtMs: number | null;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly releasedAtMs: number | null;
  readonly releasedReason: string | null;
  readonly deviceIds: readonly string[];
}

export interface EvidenceLockReportRow extends Omit<DeviceLockReport, 'missing'> {
  readonly siteId: string;
  readonly lockId: string;
  readonly deviceId: string;
  readonly recordingServerId: string;
  /** JSON. */
  readonly missing: string;
}

const reports = new ModelTable<EvidenceLockReportRow>('evidence_lock_report', [
  'lockId',
  'deviceId',
  'recordingServerId',
]);
const locks = new ModelTable<EvidenceLockRow>('evidence_lock', ['id']);

type LockEvent = Extract<HoldfastEvent, { type: `EvidenceLock${string}` }>;

export const evidenceLocksReadModel = defineReadModel({
  name: 'evidence-locks',
  version: 5,
  poison: 'stall-stream',
  checked: 'BY_SITE',
  tables: ['evidence_lock', 'evidence_lock_report'],
  eventTypes: ['EvidenceLockCreated', 'EvidenceLockExtended', 'EvidenceLockReleased', 'EvidenceLockApplied'],
  async fold(events, { tx }) {
    const rows = await locks.load(
      tx,
      'id',
      events.map(({ event }) => event.data.evidenceLockId),
    );
    const reported = new Map<string, EvidenceLockReportRow>();
    for (const { site, actor, recordedAtMs, event } of events) {
      const id = event.data.evidenceLockId;
      const known = rows.get(id);
      if (known) mustBelongTo(site, known, `evidence lock ${id}`);
      if (event.type === 'EvidenceLockApplied') {
        for (const row of reportRows(event.data, site)) reported.set(reportKey(row), row);
        continue;
      }
      rows.set(id, evolve(known, event, { siteId: site, actor, atMs: recordedAtMs }));
    }
    await locks.save(tx, rows.values());
    await reports.save(tx, reported.values());
  },
});

function reportRows(
  data: Extract<LockEvent, { type: 'EvidenceLockApplied' }>['data'],
  siteId: string,
): readonly EvidenceLockReportRow[] {
  const { evidenceLockId: lockId, recordingServerId, fromMs, toMs, judgedToMs, devices } = data;
  const facts = { siteId, lockId, recordingServerId, fromMs, toMs, judgedToMs };
  return devices.map(({ missing, ...device }) => ({
    ...facts,
    ...device,
    missing: JSON.stringify(missing),
  }));
}

function reportKey({ lockId, deviceId, recordingServerId }: EvidenceLockReportRow): string {
  return `${lockId} ${deviceId} ${recordingServerId}`;
}

function evolve(
  lock: EvidenceLockRow | undefined,
  event: Exclude<LockEvent, { type: 'EvidenceLockApplied' }>,
  by: { readonly siteId: string; readonly actor: string; readonly atMs: number },
): EvidenceLockRow {
  if (event.type === 'EvidenceLockCreated') {
    const { evidenceLockId: id, ...data } = event.data;
    return {
      ...{ id, siteId: by.siteId, ...data, createdAtMs: by.atMs, createdBy: by.actor },
      ...{ releasedAtMs: null, releasedReason: null },
    };
  }
  if (!lock) {
    throw new IndigestibleEventError(
      `${event.type} of evidence lock ${event.data.evidenceLockId}, never created`,
    );
  }
  if (event.type === 'EvidenceLockReleased') {
    return { ...lock, releasedAtMs: by.atMs, releasedReason: event.data.reason };
  }
  const { fromMs, toMs, expiresAtMs } = event.data;
  return { ...lock, fromMs, toMs, expiresAtMs };
}
