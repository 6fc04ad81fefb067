import type { EventId } from '@holdfast/schema';
import type { RecordedEvent, SiteLog } from '../log/site-log.js';

const PAGE_ANSWERS = 1_000;

/** A place in a parent's wishes: the number alone would not do, since a parent may lose the end of its log and number anew. */
export interface WishPlace {
  readonly revision: number;
  /** Null where it is not known which wish that was. */
  readonly wishId: EventId | null;
}

/** The last wish of a parent that was answered. */
export interface AnsweredWish extends WishPlace {
  /** Answers to this parent, this one included. */
  readonly answerCount: number;
}

/**
 * Those of the wishes that have no answer yet. They follow the one that was answered last, and it alone says so, as long as the
 * parent has not lost wishes: then there are as many answers as numbers. Otherwise the answers are read.
 */
export async function unansweredWishes(
  log: Pick<SiteLog, 'readStream'>,
  options: {
    /** `answers-<parent>` */
    readonly stream: string;
    readonly last: AnsweredWish | null;
    readonly wishes: readonly RecordedEvent[];
  },
): Promise<readonly RecordedEvent[]> {
  const { stream, last, wishes } = options;
  const nextRevision = last === null ? 0 : last.revision + 1;
  const answerCount = last?.answerCount ?? 0;
  if (answerCount === 0) return wishes;
  if (answerCount === nextRevision && wishes[0]?.revision === nextRevision) return wishes;
  const open = new Map(wishes.map(wish => [wish.id, wish]));
  for (let afterRevision: number | null = null; open.size > 0; ) {
    const answers = await log.readStream({ stream, afterRevision, limit: PAGE_ANSWERS, carried: true });
    for (const { causationId } of answers) if (causationId !== null) open.delete(causationId);
    if (answers.length === 0) break;
    afterRevision = answers.at(-1)!.revision;
  }
  return [...open.values()];
}
