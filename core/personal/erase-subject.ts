import type { Subject, SubjectEvent } from '@holdfast/schema';
import { accept, type Decision, refuse } from '../decider/decider.js';

export interface EraseSubjectRefusal {
  readonly code: 'SUBJECT_NOT_FOUND';
  readonly message: string;
}

/** Whether there is anything to erase. A subject that was erased has no key any more, until something is sealed for it anew. */
export function decideEraseSubject(
  subject: Subject,
  keyIds: readonly string[],
): Decision<SubjectEvent, EraseSubjectRefusal> {
  if (keyIds.length > 0) return accept({ type: 'SubjectErased', data: { subject, keyIds: [...keyIds] } });
  return refuse({
    code: 'SUBJECT_NOT_FOUND',
    message: `this site holds no key of ${subject}: nothing of it was sealed here, or it was erased`,
  });
}
