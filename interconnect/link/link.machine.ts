import type { LinkEvent } from '@holdfast/schema';
import { assign, initialTransition, type SnapshotFrom, setup, transition } from 'xstate';

type LossCause = Extract<LinkEvent, { readonly type: 'LinkLost' }>['data']['cause'];

/** What is observed and not worth a fact. */
export type LinkObservation = { readonly type: 'ConnectionAttempted' } | { readonly type: 'AttemptFailed' };
export type LinkMachineEvent = LinkEvent | LinkObservation;
export type LinkMachineState = 'DOWN' | 'CONNECTING' | 'UP';

export interface LinkContext {
  /** `UP`: when the session began. Otherwise since when nothing is known; null when the link was never up. */
  readonly sinceMs: number | null;
  /** The one that was established last; null when none was. */
  readonly session: number | null;
  /** How far the child's log was known when the link was lost last. */
  readonly lastEpoch: number;
  readonly lastPosition: number;
  /** Of the last loss. */
  readonly cause: LossCause | null;
}

/** The table of `SPEC.md`. It performs nothing: `assign` folds facts into the context. */
export const linkMachine = setup({
  types: { context: {} as LinkContext, events: {} as LinkMachineEvent },
  actions: {
    establish: assign(({ event }) => {
      if (event.type !== 'LinkEstablished') return {};
      return { sinceMs: event.data.atMs, session: event.data.session, cause: null };
    }),
    lose: assign(({ event }) => {
      if (event.type !== 'LinkLost') return {};
      const { atMs: sinceMs, lastEpoch, lastPosition, cause } = event.data;
      return { sinceMs, lastEpoch, lastPosition, cause };
    }),
  },
}).createMachine({
  id: 'link',
  context: { sinceMs: null, session: null, lastEpoch: 0, lastPosition: 0, cause: null },
  initial: 'DOWN',
  states: {
    DOWN: {
      on: {
        ConnectionAttempted: 'CONNECTING',
        LinkEstablished: { target: 'UP', actions: 'establish' },
      },
    },
    CONNECTING: {
      on: {
        AttemptFailed: 'DOWN',
        LinkEstablished: { target: 'UP', actions: 'establish' },
        LinkLost: { target: 'DOWN', actions: 'lose' },
      },
    },
    UP: {
      on: {
        LinkEstablished: {
          guard: ({ context, event }) => event.data.session !== context.session,
          actions: 'establish',
        },
        LinkLost: { target: 'DOWN', actions: 'lose' },
      },
    },
  },
});

export type LinkSnapshot = SnapshotFrom<typeof linkMachine>;

/** A link that was never up. */
export function initialLink(): LinkSnapshot {
  return initialTransition(linkMachine)[0];
}

export function nextLink(link: LinkSnapshot, event: LinkMachineEvent): LinkSnapshot {
  return transition(linkMachine, link, event)[0];
}

/** The link after all of its facts. */
export function restoreLink(facts: Iterable<LinkEvent>, from: LinkSnapshot = initialLink()): LinkSnapshot {
  let link = from;
  for (const fact of facts) link = nextLink(link, fact);
  return link;
}
