import type { RecordingServerEvent, RecordingServerId } from '@holdfast/schema';
import { accept, type Decider, type Decision, refuse } from '../decider/decider.js';

/** Null before the server was registered. */
export type RecordingServerState = {
  readonly recordingServerId: RecordingServerId;
  readonly name: string;
  readonly haltedBecause: string | null;
  /** Null in logs of before retention was written into them. */
  readonly retention: Retention | null;
} | null;

export interface Retention {
  readonly retentionDays: number;
  readonly byteLengthMax: number | null;
}

export interface RegisterRecordingServer {
  readonly kind: 'RegisterRecordingServer';
  readonly recordingServerId: RecordingServerId;
  readonly name: string;
}

export interface SetRecordingServerRetention extends Retention {
  readonly kind: 'SetRecordingServerRetention';
  readonly recordingServerId: RecordingServerId;
}

export interface RecordingServerRefusal {
  readonly code: 'RECORDING_SERVER_EXISTS' | 'RECORDING_SERVER_NOT_FOUND' | 'NOTHING_ASKED';
  readonly message: string;
}

export const recordingServerDecider: Decider<
  RecordingServerState,
  RegisterRecordingServer | SetRecordingServerRetention,
  RecordingServerEvent,
  RecordingServerRefusal
> = {
  initialState: null,
  decide(command, server) {
    if (command.kind === 'SetRecordingServerRetention') return decideRetention(command, server);
    const { recordingServerId, name } = command;
    return server === null
      ? accept({ type: 'RecordingServerRegistered', data: { recordingServerId, name } })
      : refuse({
          code: 'RECORDING_SERVER_EXISTS',
          message: `recording server ${recordingServerId} is registered`,
        });
  },
  evolve(server, event) {
    switch (event.type) {
      case 'RecordingServerRegistered':
        return { ...event.data, haltedBecause: null, retention: null };
      case 'RecordingServerRetentionSet': {
        const { retentionDays, byteLengthMax } = event.data;
        return server && { ...server, retention: { retentionDays, byteLengthMax } };
      }
      case 'RecordingServerStarted':
        // A server that was halted stays so over a restart, until it says otherwise.
        return server;
      case 'RecordingUnhalted':
        return server && { ...server, haltedBecause: null };
      case 'RecordingHalted':
        return server && { ...server, haltedBecause: event.data.cause };
    }
  },
};

function decideRetention(
  { recordingServerId, retentionDays, byteLengthMax }: SetRecordingServerRetention,
  server: RecordingServerState,
): Decision<RecordingServerEvent, RecordingServerRefusal> {
  if (server === null) {
    return refuse({
      code: 'RECORDING_SERVER_NOT_FOUND',
      message: `no recording server ${recordingServerId} is registered`,
    });
  }
  const { retention } = server;
  if (retention?.retentionDays === retentionDays && retention.byteLengthMax === byteLengthMax) {
    return refuse({ code: 'NOTHING_ASKED', message: 'the retention is so already' });
  }
  return accept({
    type: 'RecordingServerRetentionSet',
    data: { recordingServerId, retentionDays, byteLengthMax },
  });
}
