import postgres from 'postgres';
import { DatabaseUnreachableError } from './database-unreachable-error.js';
import { type EmbeddedPostgres, findRunningPostgres, startEmbeddedPostgres } from './embedded-postgres.js';
import { applyMigrations } from './migrations.js';
import { type Sql, sqlTypes } from './sql.js';

/** Queries of the API and the intake side by side; Postgres itself allows more (see the launcher). */
const POOL_CONNECTIONS_MAX = 16;
const CONNECT_TIMEOUT_SECONDS = 10;
/**
 * What a server lets go of whose client is gone without a word (power, a partition): its own defaults hold the locks of such a client
 * for two hours. Nothing is idle in a transaction for as long: a check of a projection pauses a minute at most. What `DATABASE_URL` itself says (`?tcp_keepalives_idle=…`) goes before.
 */
const LOST_CLIENT_SETTINGS = {
  tcp_keepalives_idle: 10,
  tcp_keepalives_interval: 5,
  tcp_keepalives_count: 3,
  tcp_user_timeout: 30_000,
  idle_in_transaction_session_timeout: 300_000,
};

/** Where a database is served: an address, or the socket of an embedded one. Can be handed to a thread. */
export type DatabaseTarget =
  | string
  | { readonly host: string; readonly username: string; readonly database: string };

export interface Database extends AsyncDisposable {
  /** A pool of connections. */
  readonly sql: Sql;
  /** For threads that bring a pool of their own. */
  readonly target: DatabaseTarget;
  /**
   * Waits until the signal is aborted. Throws `EmbeddedPostgresError` when the embedded server ends before: nothing here
   * starts it again, so the process must end and be started anew. A server of somebody else's may come back by itself.
   */
  watch(signal: AbortSignal): Promise<void>;
}

/**
 * Opens the central's database with every migration applied: the one at `databaseUrl`, else an embedded PostgreSQL
 * under `directory`. Throws `DatabaseUnreachableError` and `EmbeddedPostgresError`.
 */
export async function openDatabase(options: {
  readonly directory: string;
  readonly databaseUrl: string | null;
}): Promise<Database> {
  const embedded =
    options.databaseUrl === null ? await startEmbeddedPostgres({ directory: options.directory }) : null;
  const target = embedded ? socketIn(embedded.socketDirectory) : options.databaseUrl!;
  const sql = connect(target);
  const close = async () => {
    await sql.end({ timeout: 5 });
    await embedded?.[Symbol.asyncDispose]();
  };
  try {
    if (embedded === null) await mustAnswer(sql);
    await applyMigrations(sql);
  } catch (error) {
    await close();
    throw error;
  }
  return { sql, target, watch: signal => watch(embedded, signal), [Symbol.asyncDispose]: close };
}

/**
 * Opens a central's database to look at it, beside the central or while it is stopped: nothing is migrated. Whoever opens it
 * disposes of it; a server that was started for this ends then. Throws `DatabaseUnreachableError` and `EmbeddedPostgresError`.
 */
export async function openDatabaseAsItIs(
  at: { readonly directory: string } | { readonly databaseUrl: string },
): Promise<Pick<Database, 'sql' | 'target'> & AsyncDisposable> {
  if ('databaseUrl' in at) {
    const target = at.databaseUrl;
    const sql = connect(target);
    const close = () => sql.end({ timeout: 5 });
    try {
      await mustAnswer(sql);
    } catch (error) {
      await close();
      throw error;
    }
    return { sql, target, [Symbol.asyncDispose]: close };
  }
  const running = await findRunningPostgres(at.directory);
  const embedded = running === null ? await startEmbeddedPostgres(at) : null;
  const target = socketIn(running ?? embedded!.socketDirectory);
  const sql = connect(target);
  return {
    ...{ sql, target },
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 5 });
      await embedded?.[Symbol.asyncDispose]();
    },
  };
}

/** The embedded database that another process runs, at the socket in this folder. Whoever opens it ends the pool. */
export function openServedDatabase(socketDirectory: string): Sql {
  return connect(socketIn(socketDirectory));
}

/** A pool of this thread's own. Whoever opens it ends it. */
export function openSharedDatabase(target: DatabaseTarget, connectionsMax: number): Sql {
  return connect(target, connectionsMax);
}

function socketIn(socketDirectory: string): DatabaseTarget {
  return { host: socketDirectory, username: 'holdfast', database: 'postgres' };
}

async function watch(embedded: EmbeddedPostgres | null, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const stopped = new Promise<null>(resolve => {
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
  const death = await Promise.race([stopped, ...(embedded ? [embedded.died] : [])]);
  if (death) throw death;
}

function connect(target: DatabaseTarget, max = POOL_CONNECTIONS_MAX): Sql {
  const options = {
    max,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    types: sqlTypes,
    // Columns are snake_case, rows camelCase.
    transform: { column: { from: postgres.toCamel } },
    onnotice: () => undefined,
    connection: {
      application_name: 'holdfast',
      // Whatever a server of somebody else's has as its default: builds of projections put their tables there.
      search_path: 'public',
      ...(typeof target === 'string' && LOST_CLIENT_SETTINGS),
    },
  };
  if (typeof target !== 'string') return postgres({ ...target, ...options });
  try {
    return postgres(target, options);
  } catch (cause) {
    const expected = 'postgres://USER:PASSWORD@HOST:5432/DATABASE';
    throw new DatabaseUnreachableError(`DATABASE_URL is not the address of a database, as in ${expected}`, {
      cause,
    });
  }
}

/** Of a server of somebody else's: whatever keeps the first answer away, a refusal too, is said with its address. */
async function mustAnswer(sql: Sql): Promise<void> {
  try {
    await sql`select 1`;
  } catch (cause) {
    const { host, port, database } = sql.options;
    const where = `${host.join(',')}:${port.join(',')}, ${database}`;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DatabaseUnreachableError(`the database at DATABASE_URL (${where}) cannot be used: ${why}`, {
      cause,
    });
  }
}
