import { z } from 'zod';
import { defineEvent, type EventOf, raised } from './event-definition.js';
import { Subject, SubjectKeyId } from './personal.js';

/** Bookmarks were no subjects yet. */
const SubjectVersion1 = z.string().regex(/^(user|alarm|evidence-lock)-[0-9a-f-]{32,36}$/);

/**
 * Stream of this file: `subject-<subject>`. What was sealed under these keys can be read by nobody any more: the keys were
 * destroyed here, and whoever holds copies destroys them on reading this.
 */
export const SubjectErased = defineEvent('SubjectErased', 2, erasedWith(Subject), [
  raised(erasedWith(SubjectVersion1), data => data),
]);

function erasedWith(subject: z.ZodType<string, string>) {
  return z.object({ subject, keyIds: z.array(SubjectKeyId).min(1).max(100) });
}

export const subjectEvents = [SubjectErased] as const;
export type SubjectEvent = EventOf<(typeof subjectEvents)[number]>;
