export type CommandState = 'PENDING' | 'APPLIED' | 'REJECTED' | 'EXPIRED';

/** What became of a request, as the SDL's `Command`. */
export interface Command {
  readonly id: string;
  readonly state: CommandState;
  readonly code: string | null;
  readonly message: string | null;
}
