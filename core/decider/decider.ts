/**
 * The shape of every aggregate: what it is, what may be asked of it, and the rules. All three parts are pure; time,
 * ids and actors arrive inside the command.
 */
export interface Decider<State, Command, Event, Refusal> {
  readonly initialState: State;
  decide(command: Command, state: State): Decision<Event, Refusal>;
  evolve(state: State, event: Event): State;
}

/** A refusal is expected: it has a name and facts, and is returned, never thrown. */
export type Decision<Event, Refusal> =
  | { readonly accepted: true; readonly events: readonly Event[] }
  | { readonly accepted: false; readonly refusal: Refusal };

export function accept<Event>(...events: readonly Event[]): {
  readonly accepted: true;
  readonly events: readonly Event[];
} {
  return { accepted: true, events };
}

export function refuse<Refusal>(refusal: Refusal): { readonly accepted: false; readonly refusal: Refusal } {
  return { accepted: false, refusal };
}

export function fold<State, Event>(
  decider: Pick<Decider<State, never, Event, never>, 'initialState' | 'evolve'>,
  events: Iterable<Event>,
): State {
  let state = decider.initialState;
  for (const event of events) state = decider.evolve(state, event);
  return state;
}
