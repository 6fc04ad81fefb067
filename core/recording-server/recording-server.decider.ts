import type { RecordingServerEvent, RecordingServerId } from '@holdfast/schema';
import { accept, type Decider, refuse } from '../decider/decider.js';

/** Null before the server was registered. */
export type RecordingServerState = {
  readonly recordingServerId: RecordingServerId;
  readonly name: string;
  readonly haltedBecause: string | null;
} | null;

export interface RegisterRecordingServer {
  readonly kind: 'RegisterRecordingServer';
  readonly recordingServerId: RecordingServerId;
  readonly name: string;
}

export interface RecordingServerRefusal {
  readonly code: 'RECORDING_SERVER_EXISTS';
  readonly message: string;
}

export const recordingServerDecider: Decider<
  RecordingServerState,
  RegisterRecordingServer,
  RecordingServerEvent,
  RecordingServerRefusal
> = {
  initialState: null,
  decide({ recordingServerId, name }, server) {
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
        return { ...event.data, haltedBecause: null };
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
