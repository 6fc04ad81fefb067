import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { AlarmsByCause } from '@holdfast/sites';
import { z } from 'zod';
import type { Sql } from '../postgres/sql.js';

/** What each process of a central that uses the backbone says of it, for the one that raises alarms. */
const BACKBONE_CHANNEL = 'holdfast_backbone';
const TELL_MS = 5_000;
/** A process that has said nothing for so long has ended, or cannot reach the database. */
const SILENT_MS_MAX = 6 * TELL_MS;
/** Long enough for Kafka to start after this process, and for another broker to take over. */
const AWAY_MS_MAX = 30_000;
/** Frames were refused or not confirmed, and nobody has tried since: then it counts whether brokers answer. */
const UNPUBLISHED_MS_MAX = 120_000;
/** PostgreSQL takes 8000 bytes of a notification. */
const BECAUSE_LENGTH_MAX = 500;

/** `because` is null: it takes frames. */
const Told = z.object({ node: z.string(), because: z.string().nullable() });
type Told = z.infer<typeof Told>;

/** Whether the backbone answers this process, and takes its frames. */
export class BackboneWatch {
  readonly #monotonicMs: () => number;
  readonly #node = randomUUID();
  #isReached = false;
  #awayBecause: string | null;
  #unpublished: { readonly because: string; readonly atMs: number } | null = null;
  /** Since when one of the two has been so without a break. */
  #sinceMs: number | null;

  /** `because`: what is said until it has answered. */
  constructor(because: string, monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
    this.#awayBecause = because;
    this.#sinceMs = monotonicMs();
  }

  /** Null once it has answered this process. */
  unreachedBecause(): string | null {
    return this.#isReached ? null : this.#awayBecause;
  }

  /** It was asked, and does not answer. */
  away(because: string): void {
    this.#awayBecause = because;
    this.#sinceMs ??= this.#monotonicMs();
  }

  there(): void {
    this.#isReached = true;
    this.#awayBecause = null;
    this.#look();
  }

  published(error: Error | null): void {
    const atMs = this.#monotonicMs();
    this.#unpublished = error === null ? null : { because: inWords(error), atMs };
    if (error !== null) this.#sinceMs ??= atMs;
    this.#look();
  }

  /** Null unless it has been away for longer than what passes by itself. */
  longAwayBecause(): string | null {
    this.#look();
    if (this.#sinceMs === null || this.#monotonicMs() - this.#sinceMs < AWAY_MS_MAX) return null;
    return this.#unpublished?.because ?? this.#awayBecause;
  }

  /** Tells the process with the own log, until the signal is aborted. */
  async tell(sql: Sql, onFailure: (error: unknown) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const told: Told = {
        node: this.#node,
        because: this.longAwayBecause()?.slice(0, BECAUSE_LENGTH_MAX) ?? null,
      };
      await sql.notify(BACKBONE_CHANNEL, JSON.stringify(told)).catch(onFailure);
      await delay(TELL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #look(): void {
    const { atMs } = this.#unpublished ?? {};
    if (atMs !== undefined && this.#monotonicMs() - atMs >= UNPUBLISHED_MS_MAX) this.#unpublished = null;
    if (this.#awayBecause === null && this.#unpublished === null) this.#sinceMs = null;
  }
}

/** Raises the alarm of a backbone that is away for one of the processes, and ends it when it is there again for all. */
export class BackboneAlarm {
  readonly #alarms: AlarmsByCause;
  readonly #monotonicMs: () => number;
  readonly #beganMs: number;
  readonly #nodes = new Map<string, { readonly because: string | null; readonly atMs: number }>();
  /** What the log has of it; null before anything was said. */
  #told: 'AWAY' | 'THERE' | null = null;
  /** What was said since, and the log may not have yet. */
  #telling: 'AWAY' | 'THERE' | null = null;

  constructor(options: { readonly alarms: AlarmsByCause; readonly monotonicMs: () => number }) {
    this.#alarms = options.alarms;
    this.#monotonicMs = options.monotonicMs;
    this.#beganMs = options.monotonicMs();
  }

  /** Until the connection of `sql` ends. */
  async listen(sql: Sql): Promise<void> {
    await sql.listen(BACKBONE_CHANNEL, text => this.heard(text));
  }

  /** Anybody in the database may notify, and newer software may say it otherwise: what is no such text is passed over. */
  heard(text: string): void {
    const told = toldIn(text);
    if (told === null) return;
    const { node, because } = told;
    const nowMs = this.#monotonicMs();
    this.#nodes.set(node, { because, atMs: nowMs });
    for (const [other, { atMs }] of this.#nodes) {
      if (nowMs - atMs > SILENT_MS_MAX) this.#nodes.delete(other);
    }
    const [away = null] = [...this.#nodes.values()].flatMap(said => said.because ?? []);
    if (away !== null) this.#raise(away);
    // Another process may not have spoken yet for which it is away.
    else if (nowMs - this.#beganMs >= SILENT_MS_MAX) this.#end();
  }

  #raise(because: string): void {
    const message = `${because}. Sites keep what they have to tell, and it is taken in by itself when Kafka is there.`;
    const name = 'Kafka is away: no site is taken in';
    this.#tell('AWAY', () => this.#alarms.raise({ cause: CAUSE, recurs: 'UNLESS_OPEN', name, message }));
  }

  #end(): void {
    this.#tell('THERE', () => this.#alarms.end({ cause: CAUSE, reason: 'Kafka takes frames again.' }));
  }

  /** Until the log has it: processes speak every few seconds. */
  #tell(what: 'AWAY' | 'THERE', tell: () => Promise<boolean>): void {
    if ((this.#telling ?? this.#told) === what) return;
    this.#telling = what;
    void tell().then(isTaken => {
      if (isTaken) this.#told = what;
      if (this.#telling === what) this.#telling = null;
    });
  }
}

const CAUSE = 'the backbone is away';

function toldIn(text: string): Told | null {
  try {
    return Told.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

/** `BACKBONE_AWAY` or `BACKBONE_SILENT`, where it is one of those. */
export function inWords(error: Error & { readonly code?: unknown }): string {
  return typeof error.code === 'string' ? `${error.code}: ${error.message}` : error.message;
}
