import { hostname } from 'node:os';
import type { AlarmsByCause, EndedTrouble } from '@holdfast/sites';
import { z } from 'zod';
import type { Sql } from '../postgres/sql.js';

/** What a process without a log of its own tells the one that raises alarms. */
const NODE_ALARM_CHANNEL = 'holdfast_node_alarm';
/** Causes of which it is known what was said last: some for each node. Beyond it, what is said again is looked up in the log. */
const CAUSES_MAX = 1_000;
/** PostgreSQL takes 8000 bytes of a notification. */
const TEXT_LENGTH_MAX = 1_000;

const Text = z.string().max(TEXT_LENGTH_MAX);
const Told = z.union([
  z.object({ cause: Text, name: Text, message: Text, priority: z.literal([1, 2, 3]) }),
  z.object({ cause: Text, reason: Text }),
]);
type Told = z.infer<typeof Told>;

/**
 * Alarms of a process that has no log. It never hears whether they were taken, nor whether anybody listens, and so says of each that
 * it was not: whoever raises them does so again at every look.
 */
export function alarmsOfNode(sql: Sql, onFailure: (error: unknown) => void): AlarmsByCause {
  const tell = async (told: Told) => {
    const cut = (text: string) => text.slice(0, TEXT_LENGTH_MAX);
    const texts = Object.entries(told).map(([key, said]) => [
      key,
      typeof said === 'string' ? cut(said) : said,
    ]);
    await sql.notify(NODE_ALARM_CHANNEL, JSON.stringify(Object.fromEntries(texts))).catch(onFailure);
    return false;
  };
  const here = (cause: string) => `${cause} at ${hostname()}`;
  return {
    raise: ({ cause, name, message, priority = 1 }) =>
      tell({ cause: here(cause), name, message: `${hostname()}: ${message}`, priority }),
    end: ({ cause, reason }: EndedTrouble) => tell({ cause: here(cause), reason }),
  };
}

/** Raises the alarms of those processes, each again only when it is more or less urgent than before, until the connection of `sql` ends. */
export async function hearAlarmsOfNodes(sql: Sql, alarms: AlarmsByCause): Promise<void> {
  /** How urgent each is in the log; null: it has ended. */
  const known = new Map<string, 1 | 2 | 3 | null>();
  const heard = async (told: Told) => {
    const { cause } = told;
    const priority = 'priority' in told ? told.priority : null;
    if (known.get(cause) === priority) return;
    const isTaken =
      'priority' in told ? await alarms.raise({ ...told, recurs: 'UNLESS_OPEN' }) : await alarms.end(told);
    if (known.size >= CAUSES_MAX) known.clear();
    if (isTaken) known.set(cause, priority);
  };
  await sql.listen(NODE_ALARM_CHANNEL, text => {
    // Anybody in the database may notify, and newer software may say it otherwise: what is no such text is passed over.
    const told = toldIn(text);
    if (told !== null) void heard(told);
  });
}

function toldIn(text: string): Told | null {
  try {
    return Told.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}
