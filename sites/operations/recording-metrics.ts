import type { RecordingServerId } from '@holdfast/schema';
import { Gauge, type Registry } from 'prom-client';
import type { RecordingServer } from '../recording-server/recording-server.js';

type Status = ReturnType<RecordingServer['status']>;

/** One for each recording server, by its name: what docs/METRICS.md says of each. */
const gauges: readonly {
  readonly name: string;
  readonly help: string;
  readonly of: (status: Status) => number;
}[] = [
  { name: 'cameras', help: 'Cameras that it records.', of: status => status.cameraCount },
  { name: 'cameras_lost', help: 'Of these, those that are lost.', of: status => status.lostCameraCount },
  {
    name: 'cameras_overflowing',
    help: 'Of these, those of which parts are dropped.',
    of: status => status.overflowCount,
  },
  { name: 'halted', help: '1: a disk is full, or gone.', of: status => Number(status.halted) },
  {
    name: 'overloaded',
    help: '1: it does not keep up, and sheds viewers.',
    of: status => Number(status.overloaded),
  },
  { name: 'disk_slow', help: '1: half of the last writes were slow.', of: status => Number(status.diskSlow) },
  { name: 'media_bytes', help: 'Recordings that it holds.', of: status => status.usageBytes },
  {
    name: 'write_seconds',
    help: 'The middle one of the last writes of a group of pictures.',
    of: status => status.writeMs / 1000,
  },
  {
    name: 'write_queue_seconds',
    help: 'How long the group of pictures that waits longest has waited.',
    of: status => status.waitingMs / 1000,
  },
  {
    name: 'event_loop_delay_seconds',
    help: 'The worst hundredth of the last second, of its process.',
    of: status => status.eventLoopMs / 1000,
  },
  {
    name: 'lost_access_units_total',
    help: 'Pictures and packets of sound that a camera or its network lost, of cameras that it has now.',
    of: status => status.lostAccessUnitCount,
  },
  {
    name: 'dropped_fragments_total',
    help: 'Groups of pictures that the disk did not take, since the start.',
    of: status => status.droppedFragmentCount,
  },
  {
    name: 'write_failures_total',
    help: 'Writes that failed, since the start; they are repeated.',
    of: status => status.writeFailureCount,
  },
];

type Stage = ReturnType<RecordingServer['measuredStages']>[number];

/** One for each live database and archive that a storage names, as it was measured last: once an hour. */
const stageGauges: readonly {
  readonly name: string;
  readonly help: string;
  /** Null: it is not known. */
  readonly of: (stage: Stage) => number | null;
}[] = [
  { name: 'usage_bytes', help: 'What is in it.', of: ({ measure }) => measure.usageBytes },
  {
    name: 'locked_bytes',
    help: 'Of that, what evidence locks keep.',
    of: ({ measure }) => measure.lockedBytes,
  },
  { name: 'free_bytes', help: 'What its volume has left.', of: ({ measure }) => measure.freeBytes },
  {
    name: 'full_timestamp_seconds',
    help: 'When it is full at the pace of its last day; not there: never, or unknown.',
    of: ({ measure }) => (measure.fullAtMs === null ? null : measure.fullAtMs / 1000),
  },
  {
    name: 'unreachable',
    help: '1: it cannot be read or written.',
    of: ({ measure }) => Number(measure.unavailableBecause !== null),
  },
];

export interface MeasuredServers {
  readonly management: {
    readonly state: { readonly recordingServers: ReadonlyMap<RecordingServerId, { readonly name: string }> };
  };
  readonly recordingServers: ReadonlyMap<
    RecordingServerId,
    Pick<RecordingServer, 'status' | 'measuredStages'>
  >;
}

/** How the recording servers of this process are, read when it is asked for. */
export function defineRecordingMetrics(registry: Registry, servers: () => MeasuredServers | null): void {
  let last: { readonly atMs: number; readonly statuses: readonly (readonly [string, Status])[] } | null =
    null;
  // One look at each server serves all metrics of a scrape.
  const statuses = () => {
    if (last === null || performance.now() - last.atMs > 200) {
      last = { atMs: performance.now(), statuses: statusesOf(servers()) };
    }
    return last.statuses;
  };
  for (const { name, help, of } of gauges) {
    const gauge: Gauge = new Gauge({
      ...{ name: `holdfast_recording_${name}`, help, labelNames: ['recording_server'] },
      registers: [registry],
      collect() {
        gauge.reset();
        for (const [server, status] of statuses()) gauge.set({ recording_server: server }, of(status));
      },
    });
  }
}

/** The same of their storages. */
export function defineStorageMetrics(registry: Registry, servers: () => MeasuredServers | null): void {
  for (const { name, help, of } of stageGauges) {
    const gauge: Gauge = new Gauge({
      ...{ name: `holdfast_storage_${name}`, help, labelNames: ['recording_server', 'storage', 'stage'] },
      registers: [registry],
      collect() {
        gauge.reset();
        const running = servers();
        for (const [id, server] of running?.recordingServers ?? []) {
          const recordingServer = running!.management.state.recordingServers.get(id)?.name ?? id;
          for (const stage of server.measuredStages()) {
            const value = of(stage);
            if (stage.name === null || value === null) continue;
            gauge.set({ recording_server: recordingServer, ...stage.name }, value);
          }
        }
      },
    });
  }
}

function statusesOf(servers: MeasuredServers | null): readonly (readonly [string, Status])[] {
  if (servers === null) return [];
  const names = servers.management.state.recordingServers;
  return [...servers.recordingServers].map(([id, server]) => [names.get(id)?.name ?? id, server.status()]);
}
