import { type Notice, notify } from '../ui/notice.store';
import type { Command, CommandState } from './command-outcome';
import { ApiError, request, type Variables } from './graphql.client';
import { notePending } from './pending-command.store';
import { refusalInWords } from './refusal-in-words';
import { type Topic, topicChanged } from './topic';

export const COMMAND_FIELDS = 'command { id state code message }';

export interface CommandRequest<Answer = Readonly<Record<string, unknown>>> {
  readonly document: string;
  readonly variables: Variables;
  /** What is being done, as a title: "Close alarm 1041". */
  readonly title: string;
  readonly topics: readonly Topic[];
  /** The id of what it is about, at which it is shown as long as its site has not answered. */
  readonly about?: string;
  /** What to ask instead of a site whose software is too old for `variables`. */
  readonly olderVariables?: Variables;
  /** It is done, or waits. */
  readonly onTaken?: (commandId: string) => void;
  /** It waited, and is not done after all. */
  readonly onRefusedLate?: (commandId: string) => void;
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
  const why = refusalInWords(command.message ?? command.code ?? 'The site gave no reason.');
  return { tone: 'bad', title, text: `${command.state === 'EXPIRED' ? 'Expired' : 'Rejected'}: ${why}` };
};

const isCommand = (value: unknown): value is Command =>
  typeof value === 'object' && value !== null && 'state' in value && 'message' in value;

async function ask<Answer extends object>(command: CommandRequest<Answer>): Promise<Answer> {
  const { document, variables, olderVariables } = command;
  try {
    return await request<Answer>(document, variables);
  } catch (error) {
    if (olderVariables === undefined || !(error instanceof ApiError) || error.code !== 'NOT_UNDERSTOOD')
      throw error;
    return request<Answer>(document, olderVariables);
  }
}

function take<Answer>(command: CommandRequest<Answer>, outcome: Command): void {
  const { title, about, topics, onTaken, onRefusedLate } = command;
  notify(noticeOf(title, outcome));
  if (wasTaken(outcome.state)) onTaken?.(outcome.id);
  if (outcome.state !== 'PENDING') return;
  const onAnswer = (answer: Command) => {
    notify(noticeOf(title, answer));
    if (!wasTaken(answer.state)) onRefusedLate?.(answer.id);
    topicChanged(...topics);
  };
  notePending({ id: outcome.id, title, about: about ?? null, askedAtMs: Date.now(), onAnswer });
}

/** Sends a mutation and reports its outcome. Returns whether the request was taken (done or waiting). */
export async function send<Answer extends object>(
  command: CommandRequest<Answer>,
): Promise<CommandState | 'FAILED'> {
  try {
    const answer = await ask(command);
    const payload = Object.values(answer)[0] as { command?: unknown } | null;
    const outcome = isCommand(payload?.command) ? payload.command : null;
    if (outcome !== null) take(command, outcome);
    else if (command.report !== undefined) notify({ ...command.report(answer), title: command.title });
    topicChanged(...command.topics);
    return outcome?.state ?? 'APPLIED';
  } catch (error) {
    const text = error instanceof ApiError ? refusalInWords(error.message) : String(error);
    // It may have been refused because something is not as it was shown.
    topicChanged(...command.topics);
    notify({ tone: 'bad', title: command.title, text });
    return 'FAILED';
  }
}

export const wasTaken = (state: CommandState | 'FAILED'): boolean =>
  state === 'APPLIED' || state === 'PENDING';
