export type CheckpointFailure = 'MALFORMED_NOTE' | 'MALFORMED_BODY' | 'NO_SIGNATURE_BY_KEY' | 'BAD_SIGNATURE';

/** Text that is not a checkpoint, or one that was not signed by the key it was checked against. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
  readonly code = 'CHECKPOINT_INVALID';
  readonly failure: CheckpointFailure;

  constructor(failure: CheckpointFailure, detail: string) {
    super(`${failure}: ${detail}`);
    this.failure = failure;
  }
}
