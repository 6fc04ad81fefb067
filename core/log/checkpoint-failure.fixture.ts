import { CheckpointError, type CheckpointFailure } from './checkpoint-error.js';

/** Why a note was refused; null: it was not. */
export function failureOf(run: () => unknown): CheckpointFailure | null {
  try {
    run();
    return null;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return error.failure;
  }
}
