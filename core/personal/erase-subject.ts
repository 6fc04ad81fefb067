import type { Subject, SubjectEvent } from '@holdfast/schema';
import { accept, type Decision, refuse } from '../decider/decider.js';

/** In one event. */
const ERASED_KEYS_MAX = 100;

export interface EraseSubjectRefusal {
  readonly code: 'SUBJECT_NOT_FOUND';
  readonly message: string;
}

/** Whether there is anything to erase. A subject that was erased has no key any more, until something is sealed for it anew. */
export function decideEraseSubject(
  subject: Subject,
  keyIds: readonly string[],
): Decision<SubjectEvent, EraseSubjectRefusal> {
  if (keyIds.length > 0) return accept(...subjectErased(subject, keyIds));
  return refuse({
    code: 'SUBJECT_NOT_FOUND',
    message: `this site holds no key of ${subject}: nothing of it was sealed here or below, it was erased, or the keys were lost and have not come back from the parent yet`,
  });
}

/** As many events as it takes. */
export function subjectErased(subject: Subject, keyIds: readonly string[]): readonly SubjectEvent[] {
  const events: SubjectEvent[] = [];
  for (let at = 0; at < keyIds.length; at += ERASED_KEYS_MAX) {
    const data = { subject, keyIds: keyIds.slice(at, at + ERASED_KEYS_MAX) };
    events.push({ type: 'SubjectErased', data });
  }
  return events;
}
