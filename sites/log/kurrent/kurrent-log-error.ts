/**
 * `UNREACHABLE`: no answer in time. `DENIED`: the server refuses these credentials. `DAMAGED`: what is stored is not a log
 * of ours, with its place. `LOST_EVENTS`: the server holds less than this site has had acknowledged, an older copy was
 * restored. `FORKED`: it holds another history. `SUPERSEDED`: another process writes this log since.
 */
export type KurrentLogFault =
  | 'UNREACHABLE'
  | 'DENIED'
  | 'DAMAGED'
  | 'LOST_EVENTS'
  | 'FORKED'
  | 'SUPERSEDED'
  | 'IN_USE';

/** A log in EventStoreDB or KurrentDB that cannot be opened, read or written as the log that it should be. */
export class KurrentLogError extends Error {
  override readonly name = 'KurrentLogError';
  readonly code = 'KURRENT_LOG';
  readonly fault: KurrentLogFault;
  /** Of the server. */
  readonly stream: string;

  constructor(
    fault: KurrentLogFault,
    stream: string,
    detail: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(`${stream}: ${fault}: ${detail}`, options);
    this.fault = fault;
    this.stream = stream;
  }
}
