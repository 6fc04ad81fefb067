import * as assert from 'uvu/assert';
import { type Decider, fold } from './decider.js';

/** Reads as given / when / then in the tests of deciders. */
export function given<State, Command, Event, Refusal extends { readonly code: string }>(
  decider: Decider<State, Command, Event, Refusal>,
  ...history: readonly Event[]
) {
  return {
    when(command: Command) {
      const decision = decider.decide(command, fold(decider, history));
      return {
        // biome-ignore lint/suspicious/noThenProperty: given / when / then; nobody awaits it.
        then(...expected: readonly Event[]) {
          assert.equal(decision, { accepted: true, events: [...expected] });
        },
        thenRefused(code: Refusal['code']) {
          assert.is(decision.accepted ? 'accepted' : decision.refusal.code, code);
        },
      };
    },
  };
}
