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
  /** Of a subject, as far as this site made them: only their maker can say that they are erased. */
  keyIdsOf(subject: Subject): readonly string[];
  /** Destroys those of the keys that this maker made, and no other. */
  destroy(erased: {
    readonly maker: SiteId;
    readonly subject: Subject;
    readonly keyIds: readonly string[];
  }): void;
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
