import type { HoldfastEvent } from '@holdfast/schema';
import { ModelTable, mustBelongTo } from '../model-table.js';
import { defineReadModel, IndigestibleEventError } from '../read-model.js';

export interface RecordingServerRow {
  readonly id: string;
  readonly siteId: string;
  readonly name: string;
  readonly softwareVersion: string | null;
  readonly startedAtMs: number | null;
  readonly haltedBecause: string | null;
  readonly haltedDetail: string | null;
  readonly retentionDays: number | null;
  readonly byteLengthMax: number | null;
}

const servers = new ModelTable<RecordingServerRow>('recording_server', ['id']);

const eventTypes = [
  'RecordingServerRegistered',
  'RecordingServerRetentionSet',
  'RecordingServerStarted',
  'RecordingHalted',
  'RecordingUnhalted',
] as const;

type ServerEvent = Extract<
  HoldfastEvent,
  {
    type: (typeof eventTypes)[number];
  }
>;

export const recordingServersReadModel = defineReadModel({
  name: 'recording-servers',
  version: 3,
  poison: 'stall-stream',
  checked: 'BY_SITE',
  tables: ['recording_server'],
  eventTypes,
  async fold(events, { tx }) {
    const rows = await servers.load(
      tx,
      'id',
      events.map(({ event }) => event.data.recordingServerId),
    );
    for (const { site, event } of events) {
      const id = event.data.recordingServerId;
      const known = rows.get(id);
      if (known) mustBelongTo(site, known, `recording server ${id}`);
      rows.set(id, evolve(known, event, site));
    }
    await servers.save(tx, rows.values());
  },
});

function evolve(
  server: RecordingServerRow | undefined,
  event: ServerEvent,
  siteId: string,
): RecordingServerRow {
  if (event.type === 'RecordingServerRegistered') {
    const { recordingServerId: id, name } = event.data;
    const fresh = {
      ...{ softwareVersion: null, startedAtMs: null, haltedBecause: null, haltedDetail: null },
      ...{ retentionDays: null, byteLengthMax: null },
    };
    return { ...fresh, ...server, id, siteId, name };
  }
  if (!server) {
    throw new IndigestibleEventError(
      `${event.type} of recording server ${event.data.recordingServerId}, never registered`,
    );
  }
  switch (event.type) {
    case 'RecordingServerRetentionSet': {
      const { retentionDays, byteLengthMax } = event.data;
      return { ...server, retentionDays, byteLengthMax };
    }
    case 'RecordingServerStarted':
      return { ...server, startedAtMs: event.data.atMs, softwareVersion: event.data.softwareVersion };
    case 'RecordingHalted':
      return { ...server, haltedBecause: event.data.cause, haltedDetail: event.data.detail };
    case 'RecordingUnhalted':
      return { ...server, haltedBecause: null, haltedDetail: null };
  }
}
