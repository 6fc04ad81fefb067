import { hostname, userInfo } from 'node:os';
import { actorOfUser, newEvent, type PersonalTexts, type SiteLog } from '@holdfast/core';
import type { EventId, HoldfastEvent, OperatorEvent } from '@holdfast/schema';
import { v7 } from 'uuid';
import { writtenOffStream } from '../evidence-lock/written-off-sites.js';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';

/** Wakes the process with the own log. */
export const OPERATOR_CHANNEL = 'holdfast_operator';
/** A notification that was lost costs so much. */
const LOOK_MS = 30_000;
const ROWS_MAX = 500;
/** A camera that is turned by hand is told to move each second: once a minute says who did it. */
const PTZ_MS = 60_000;
const PTZ_KNOWN_MAX = 1_000;

export interface OperatorLogOptions {
  readonly log: Pick<SiteLog, 'append'>;
  readonly sql: Sql;
  readonly personal: PersonalTexts;
  readonly now: () => number;
  readonly newEventId: () => EventId;
}

/** Makes events of what operators do that no site's command tells of: who, when, what. */
export class OperatorLog {
  readonly #options: OperatorLogOptions;
  readonly #movedMs = new Map<string, number>();

  constructor(options: OperatorLogOptions) {
    this.#options = options;
  }

  /** Before it is done: what cannot be written down is not done. `actor`: `user:<sealed name>`. */
  async record(events: readonly OperatorEvent[], actor: string): Promise<void> {
    const { newEventId, now } = this.#options;
    for (const event of events) {
      if (this.#isToldAlready(event, actor)) continue;
      await this.#append(event, { id: newEventId(), actor, occurredAtMs: now() });
    }
  }

  /** Takes up what the command line has left, until the signal is aborted. `asked`: `listenFor(sql, OPERATOR_CHANNEL)`. */
  async run(
    options: { readonly asked: Wakeup; readonly onFailure: (error: unknown) => void },
    signal: AbortSignal,
  ): Promise<void> {
    const { asked, onFailure } = options;
    while (!signal.aborted) {
      const seen = asked.count;
      await this.takeUp().catch(onFailure);
      await asked.after(seen, LOOK_MS, signal);
    }
  }

  /** Once each: the log knows an id that it has. */
  async takeUp(): Promise<void> {
    const { sql, personal } = this.#options;
    const rows = await sql<
      { id: EventId; atMs: number; operator: string; type: string; data: unknown }[]
    >`select id, at_ms, operator, type, data from operator_action order by at_ms, id limit ${ROWS_MAX}`;
    for (const { id, atMs, operator, type, data } of rows) {
      const actor = actorOfUser(personal, operator);
      await this.#append({ type, data } as OperatorEvent, { id, actor, occurredAtMs: atMs });
      await sql`delete from operator_action where id = ${id}`;
    }
  }

  async #append(
    event: OperatorEvent,
    facts: { readonly id: EventId; readonly actor: string; readonly occurredAtMs: number },
  ): Promise<void> {
    const recorded = newEvent(event as HoldfastEvent, { ...facts, clockQuality: 'UNKNOWN' });
    const outcome = await this.#options.log.append([
      { stream: streamOf(event), expected: 'any', events: [recorded] },
    ]);
    if (!outcome.appended) throw new Error(`${event.type} was refused: ${outcome.refusal.code}`);
  }

  #isToldAlready(event: OperatorEvent, actor: string): boolean {
    if (event.type !== 'PtzMoved' || event.data.preset !== null) return false;
    const nowMs = this.#options.now();
    const key = `${actor} ${event.data.deviceId}`;
    const movedMs = this.#movedMs.get(key);
    if (movedMs !== undefined && Math.abs(nowMs - movedMs) < PTZ_MS) return true;
    this.#movedMs.delete(key);
    this.#movedMs.set(key, nowMs);
    const [oldest] = this.#movedMs.keys();
    if (this.#movedMs.size > PTZ_KNOWN_MAX && oldest !== undefined) this.#movedMs.delete(oldest);
    return false;
  }
}

function streamOf({ type, data }: OperatorEvent): string {
  if ('projection' in data) return `projection-${data.projection}`;
  if (type === 'SiteWrittenOff') return writtenOffStream(data.siteId);
  return type === 'PtzMoved' ? `ptz-${data.deviceId}` : `emulated-link-${data.siteId}`;
}

/** Who types on this machine: no user of the API. */
export function machineOperator(): string {
  return `${userInfo().username} on ${hostname()}`.slice(0, 200);
}

/** What is asked for on the command line, in the transaction that brings it about or before it. */
export async function leaveForLog(
  sql: Sql | TransactionSql,
  events: readonly OperatorEvent[],
  nowMs: number,
): Promise<void> {
  for (const event of events) {
    await sql`
      insert into operator_action (id, at_ms, operator, type, data)
      values (${v7()}, ${nowMs}, ${machineOperator()}, ${event.type}, ${sql.json(event.data)})`;
  }
  await sql`select pg_notify(${OPERATOR_CHANNEL}, '')`;
}
