import type { EventType, HoldfastEvent, SiteId } from '@holdfast/schema';
import type { TransactionSql } from '../postgres/sql.js';
import type { FeedEvent } from './feed-event.js';

/** Kinds of entity whose changes can be subscribed to. */
export type ChangeKind = 'alarm' | 'link' | 'retrieval';

export interface Change {
  readonly kind: ChangeKind;
  readonly seq: number;
  readonly entityId: string;
  /** The entity's row as of this change. */
  readonly state: object;
}

export interface FoldContext {
  readonly tx: TransactionSql;
  /** Nothing else is asked of `tx` until the fold ends. Then many rows may be copied in, which needs the connection for itself. */
  readonly isAlone: boolean;
  /** The site that answers: only its own log says what is held and retrieved here. */
  readonly ownSite: SiteId;
  readonly changed: (change: Change) => void;
}

/**
 * What becomes of an event that cannot be folded. `halt`: this projection stands still, the others go on. `stall-stream`: later
 * events of the same stream wait behind it, all others go on. `skip-and-record`: it is put aside alone.
 */
export type PoisonPolicy = 'halt' | 'stall-stream' | 'skip-and-record';

/** One fold of the feed into tables of its own. It decides nothing: it remembers what was decided. */
export interface ReadModel<Type extends EventType = EventType> {
  /** In kebab-case: it is typed on the command line. */
  readonly name: string;
  /**
   * 1.. Raise it with every change of the fold or of its tables: the next start then builds it anew beside what is served.
   * Until that is done the new fold goes on with the served rows, so a migration may only add columns.
   */
  readonly version: number;
  /** No other model reads or writes them. */
  readonly tables: readonly string[];
  /** More rows come of it than of all others: a build writes it beside them. */
  readonly hasMostRows?: boolean;
  /** Events of other types do not reach it. `ALL` for models that look at the envelope only. */
  readonly eventTypes: readonly Type[] | 'ALL';
  readonly poison: PoisonPolicy;
  /**
   * How much is folded again to compare with what is served. `BY_SITE`: a row follows from the events of one site alone, which
   * its column `site_id` or the event at its `seq` names. `AS_A_WHOLE`: events of several sites make a row.
   */
  readonly checked: 'BY_SITE' | 'AS_A_WHOLE';
  /** Folds a batch, in order, inside the projector's transaction. Throws when an event cannot be digested. */
  fold(
    events: readonly FeedEvent<Extract<HoldfastEvent, { type: Type }>>[],
    context: FoldContext,
  ): Promise<void>;
}

/** Keeps the types of the events inside a model; outside, the projector hands over what `eventTypes` names. */
export function defineReadModel<const Type extends EventType>(model: ReadModel<Type>): ReadModel {
  return model as unknown as ReadModel;
}

/** An event contradicts what is known, e.g. a site speaks about another site's alarm. It is put aside, with this message. */
export class IndigestibleEventError extends Error {
  override readonly name = 'IndigestibleEventError';
  readonly code = 'EVENT_INDIGESTIBLE';
}
