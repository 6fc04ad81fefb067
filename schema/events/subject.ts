import { z } from 'zod';
import { defineEvent, type EventOf } from './event-definition.js';
import { Subject, SubjectKeyId } from './personal.js';

/**
 * Stream of this file: `subject-<subject>`. What was sealed under these keys can be read by nobody any more: the keys were
 * destroyed here, and whoever holds copies destroys them on reading this.
 */
export const SubjectErased = defineEvent(
  'SubjectErased',
  1,
  z.object({ subject: Subject, keyIds: z.array(SubjectKeyId).min(1).max(100) }),
);

export const subjectEvents = [SubjectErased] as const;
export type SubjectEvent = EventOf<(typeof subjectEvents)[number]>;
