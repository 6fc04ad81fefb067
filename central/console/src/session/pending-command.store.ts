import { useSyncExternalStore } from 'react';
import type { Command } from './command-outcome';
import { request } from './graphql.client';
import { onTopicChange } from './topic';

/** What was asked of a site in this tab and not answered yet. */
export interface PendingCommand {
  readonly id: string;
  /** "Close alarm 1041". */
  readonly title: string;
  /** The id of what it is about. */
  readonly about: string | null;
  readonly askedAtMs: number;
  readonly onAnswer: (answer: Command) => void;
}

let pending: readonly PendingCommand[] = [];
const listeners = new Set<() => void>();
/** A site that has been silent for longer is dealt with in other ways. */
const PENDING_LIMIT = 50;
const COMMAND = 'query Command($id: ID!) { command(id: $id) { id state code message } }';

function change(next: readonly PendingCommand[]): void {
  pending = next;
  for (const listener of listeners) listener();
}

export function notePending(command: PendingCommand): void {
  change([...pending, command].slice(-PENDING_LIMIT));
}

async function lookAt(command: PendingCommand): Promise<void> {
  // What cannot be asked now is asked with the next answer of any site, or when the central is there again.
  const answer = await request<{ command: Command | null }>(COMMAND, { id: command.id }).catch(() => null);
  if (answer?.command == null || answer.command.state === 'PENDING' || !pending.includes(command)) return;
  change(pending.filter(other => other !== command));
  command.onAnswer(answer.command);
}

onTopicChange(topic => {
  if (topic === 'commands') for (const command of pending) void lookAt(command);
});

export function usePending(): readonly PendingCommand[] {
  return useSyncExternalStore(
    listener => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => pending,
  );
}
