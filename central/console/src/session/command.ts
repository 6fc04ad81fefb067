import { type Notice, notify } from '../ui/notice.store';
import { ApiError, request, type Variables } from './graphql.client';
import { type Topic, topicChanged } from './topic';

export type CommandState = 'PENDING' | 'APPLIED' | 'REJECTED' | 'EXPIRED';

/** What became of a request, as the SDL's `Command`. */
export interface Command {
  readonly id: string;
  readonly state: CommandState;
  readonly code: string | null;
  readonly message: string | null;
}

export const COMMAND_FIELDS = 'command { id state code message }';

export interface CommandRequest<Answer = Readonly<Record<string, unknown>>> {
  readonly document: string;
  readonly variables: Variables;
  /** What is being done, as a title: "Close alarm 1041". */
  readonly title: string;
  readonly topics: readonly Topic[];
  /** What to report of an answer that is no command's outcome; left out: nothing. */
  readonly report?: (answer: Answer) => Omit<Notice, 'title'>;
}

const noticeOf = (title: string, command: Command): Notice => {
  if (command.state === 'APPLIED') return { tone: 'good', title, text: 'Done.' };
  if (command.state === 'PENDING')
    return {
      tone: 'waiting',
      title,
      text: 'Waiting for the site. Its link may be down; the request keeps its place and is not done yet.',
    };
  const why = command.message ?? command.code ?? 'The site gave no reason.';
  return { tone: 'bad', title, text: `${command.state === 'EXPIRED' ? 'Expired' : 'Rejected'}: ${why}` };
};

const isCommand = (value: unknown): value is Command =>
  typeof value === 'object' && value !== null && 'state' in value && 'message' in value;

/** Sends a mutation and reports its outcome. Returns whether the request was taken (done or waiting). */
export async function send<Answer extends object>(
  command: CommandRequest<Answer>,
): Promise<CommandState | 'FAILED'> {
  try {
    const answer = await request<Answer>(command.document, command.variables);
    const payload = Object.values(answer)[0] as { command?: unknown } | null;
    const outcome = isCommand(payload?.command) ? payload.command : null;
    if (outcome !== null) notify(noticeOf(command.title, outcome));
    else if (command.report !== undefined) notify({ ...command.report(answer), title: command.title });
    topicChanged(...command.topics);
    return outcome?.state ?? 'APPLIED';
  } catch (error) {
    const text = error instanceof ApiError ? error.message : String(error);
    notify({ tone: 'bad', title: command.title, text });
    return 'FAILED';
  }
}

export const wasTaken = (state: CommandState | 'FAILED'): boolean =>
  state === 'APPLIED' || state === 'PENDING';
