import type { SubjectKeyRing } from '@holdfast/core';
import { SubjectErased } from '@holdfast/schema';
import type { CausedAlarm } from '@holdfast/sites';
import { EventsOfType, LOOK_MS, readStoredData, type StoredEventOfType } from '../intake/events-of-type.js';
import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';

/** A copy of a key whose subject is erased could not be destroyed: a full disk, a file in use. */
export class ErasedKeysHeldError extends Error {
  override readonly name = 'ErasedKeysHeldError';
  readonly code = 'ERASED_KEYS_HELD';
}

/**
 * Destroys the copies of keys that are held here when the log of any site says that their subject is erased. All are read again after
 * a start: a copy that was restored meanwhile is destroyed again.
 */
export class ErasedKeys {
  readonly #keys: Pick<SubjectKeyRing, 'destroy'>;
  readonly #erasures: EventsOfType;

  constructor({ sql, keys }: { readonly sql: Sql; readonly keys: Pick<SubjectKeyRing, 'destroy'> }) {
    this.#keys = keys;
    this.#erasures = new EventsOfType({ sql, type: SubjectErased.type, take: event => this.#destroy(event) });
  }

  /** Up to the end of the feed. Rejects at the first that fails, and goes on there when called again. */
  catchUp(): Promise<void> {
    return this.#erasures.catchUp();
  }

  run(
    options: {
      readonly feedGrown: Wakeup;
      readonly raiseAlarm: (alarm: CausedAlarm) => void;
      readonly onFailure: (error: unknown) => void;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { feedGrown, raiseAlarm } = options;
    const onFailure = (error: unknown) => {
      options.onFailure(error);
      if (error instanceof ErasedKeysHeldError) raiseAlarm(alarmOf(error, this.#erasures.after));
    };
    return this.#erasures.follow({ feedGrown, onFailure }, signal);
  }

  #destroy(event: StoredEventOfType): void {
    const erased = readStoredData(SubjectErased, event);
    if (erased === null) return;
    try {
      this.#keys.destroy({ ...erased, by: event.site });
    } catch (cause) {
      throw new ErasedKeysHeldError(
        `keys of ${erased.subject}, erased at ${event.site}, are still held here`,
        {
          cause,
        },
      );
    }
  }
}

function alarmOf(error: ErasedKeysHeldError, after: number): CausedAlarm {
  return {
    cause: `${error.code} behind ${after}`,
    name: 'What was erased can still be read here',
    message: `${error.code}: ${error.message}. It is tried again every ${LOOK_MS / 1000} s; see whether the disk is full.`,
  };
}
