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
  /** JSON of `StorageHalt[]`; null: not known yet. */
  readonly halts: string | null;
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
  version: 4,
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
      ...{ retentionDays: null, byteLengthMax: null, halts: null },
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
    case 'RecordingHalted': {
      const { storageId, cause, detail } = event.data;
      return withHalts(server, [
        ...haltsOf(server).filter(isOfOther(storageId)),
        { storageId, cause, detail },
      ]);
    }
    case 'RecordingUnhalted':
      return withHalts(server, haltsOf(server).filter(isOfOther(event.data.storageId)));
  }
}

export interface StorageHalt {
  /** Null: all storages of the server. */
  readonly storageId: string | null;
  readonly cause: string;
  readonly detail: string;
}

export function haltsOf({ halts }: Pick<RecordingServerRow, 'halts'>): readonly StorageHalt[] {
  return halts === null ? [] : JSON.parse(halts);
}

/** Null, all of them, leaves none. */
function isOfOther(storageId: string | null): (halt: StorageHalt) => boolean {
  return halt => storageId !== null && halt.storageId !== storageId;
}

function withHalts(server: RecordingServerRow, halts: readonly StorageHalt[]): RecordingServerRow {
  const [first] = halts;
  const { cause: haltedBecause = null, detail: haltedDetail = null } = first ?? {};
  return { ...server, haltedBecause, haltedDetail, halts: JSON.stringify(halts) };
}
