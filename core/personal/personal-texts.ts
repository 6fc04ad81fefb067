import type { SiteCommand, SiteId, Subject } from '@holdfast/schema';

/** Seals texts about people before they enter a log, and opens them for those who may see them. */
export interface PersonalTexts {
  /** A token. The same text of the same subject gives the same one, so that sealed names can be compared. Empty stays empty. */
  seal(subject: Subject, text: string): string;
  /** The text with every token in it opened, or with words that say why it cannot be. */
  reveal(text: string): string;
  /** As `reveal`, within JSON text. */
  revealJson(json: string): string;
  /** Of a user, by name: the same name always, and nobody can tell the name from it. */
  subjectOfUser(userName: string): Subject;
}

/** The keys that can be destroyed. */
export interface SubjectKeyRing {
  /** Of a subject, those that are held here, whoever made them. */
  keyIdsOf(subject: Subject): readonly string[];
  /**
   * Destroys those of the keys over which this site has a say: the holder itself over all of its copies, any other over those that it
   * made or gave.
   */
  destroy(erased: ErasedKeysOfSubject & { readonly by: SiteId }): void;
}

export interface ErasedKeysOfSubject {
  readonly subject: Subject;
  readonly keyIds: readonly string[];
}

/** Of an event's envelope. A name that is too long for it stands there as a pseudonym. */
export function actorOfUser(texts: PersonalTexts, userName: string): string {
  const subject = texts.subjectOfUser(userName);
  const actor = `user:${texts.seal(subject, userName)}`;
  return actor.length <= ACTOR_CHARACTERS_MAX ? actor : `user:${subject}`;
}

const ACTOR_CHARACTERS_MAX = 200;

/** The command with what people wrote into it sealed: to the alarm or evidence lock it is about, and names to whom they name. */
export function sealCommand(command: SiteCommand, texts: PersonalTexts): SiteCommand {
  switch (command.kind) {
    case 'RaiseAlarm':
      return { ...command, message: texts.seal(`alarm-${command.alarmId}`, command.message) };
    case 'HandleAlarm': {
      const subject: Subject = `alarm-${command.alarmId}`;
      const { assignedTo, comment, reason } = command;
      return {
        ...command,
        ...(comment !== undefined && { comment: texts.seal(subject, comment) }),
        ...(reason !== undefined && { reason: texts.seal(subject, reason) }),
        ...(typeof assignedTo === 'string' && {
          assignedTo: texts.seal(texts.subjectOfUser(assignedTo), assignedTo),
        }),
      };
    }
    case 'CreateEvidenceLock': {
      const description = texts.seal(`evidence-lock-${command.evidenceLockId}`, command.description);
      return { ...command, description };
    }
    case 'ReleaseEvidenceLock': {
      const reason = texts.seal(`evidence-lock-${command.evidenceLockId}`, command.reason);
      return { ...command, reason };
    }
    case 'CreateBookmark': {
      const description = texts.seal(`bookmark-${command.bookmarkId}`, command.description);
      return { ...command, description };
    }
    default:
      return command;
  }
}
