/** Something on the command line that cannot be meant. Its message, one line, says what and what would be right. */
export class WrongUseError extends Error {
  override readonly name = 'WrongUseError';
  readonly code = 'WRONG_USE';
}
