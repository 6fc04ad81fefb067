import postgres from 'postgres';
import { type EmbeddedPostgres, findRunningPostgres, startEmbeddedPostgres } from './embedded-postgres.js';
import { applyMigrations } from './migrations.js';
import { type Sql, sqlTypes } from './sql.js';

/** Queries of the API and the intake side by side; Postgres itself allows more (see the launcher). */
const POOL_CONNECTIONS_MAX = 16;
const CONNECT_TIMEOUT_SECONDS = 10;

export interface Database extends AsyncDisposable {
  /** A pool of connections. */
  readonly sql: Sql;
  /**
   * Waits until the signal is aborted. Throws `EmbeddedPostgresError` when the embedded server ends before: nothing here
   * starts it again, so the process must end and be started anew. A server of somebody else's may come back by itself.
   */
  watch(signal: AbortSignal): Promise<void>;
}

/**
 * Opens the central's database with every migration applied: the one at `databaseUrl`, else an embedded PostgreSQL
 * under `directory`.
 */
export async function openDatabase(options: {
  readonly directory: string;
  readonly databaseUrl: string | null;
}): Promise<Database> {
  const embedded =
    options.databaseUrl === null ? await startEmbeddedPostgres({ directory: options.directory }) : null;
  const sql = embedded ? openServedDatabase(embedded.socketDirectory) : connect(options.databaseUrl!);
  const close = async () => {
    await sql.end({ timeout: 5 });
    await embedded?.[Symbol.asyncDispose]();
  };
  try {
    await applyMigrations(sql);
  } catch (error) {
    await close();
    throw error;
  }
  return { sql, watch: signal => watch(embedded, signal), [Symbol.asyncDispose]: close };
}

/**
 * Opens a central's database to look at it, beside the central or while it is stopped: nothing is migrated. Whoever opens it
 * disposes of it; a server that was started for this ends then.
 */
export async function openDatabaseAsItIs(
  at: { readonly directory: string } | { readonly databaseUrl: string },
): Promise<{ readonly sql: Sql } & AsyncDisposable> {
  if ('databaseUrl' in at) {
    const sql = connect(at.databaseUrl);
    return { sql, [Symbol.asyncDispose]: () => sql.end({ timeout: 5 }) };
  }
  const running = await findRunningPostgres(at.directory);
  const embedded = running === null ? await startEmbeddedPostgres(at) : null;
  const sql = openServedDatabase(running ?? embedded!.socketDirectory);
  return {
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 5 });
      await embedded?.[Symbol.asyncDispose]();
    },
  };
}

/** The embedded database that another process runs, at the socket in this folder. Whoever opens it ends the pool. */
export function openServedDatabase(socketDirectory: string): Sql {
  return connect({ host: socketDirectory, username: 'holdfast', database: 'postgres' });
}

async function watch(embedded: EmbeddedPostgres | null, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const stopped = new Promise<null>(resolve => {
    signal.addEventListener('abort', () => resolve(null), { once: true });
  });
  const death = await Promise.race([stopped, ...(embedded ? [embedded.died] : [])]);
  if (death) throw death;
}

function connect(target: string | { host: string; username: string; database: string }): Sql {
  const options = {
    max: POOL_CONNECTIONS_MAX,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    types: sqlTypes,
    // Columns are snake_case, rows camelCase.
    transform: { column: { from: postgres.toCamel } },
    onnotice: () => undefined,
    // Whatever a server of somebody else's has as its default: builds of projections put their tables there.
    connection: { application_name: 'holdfast', search_path: 'public' },
  };
  return typeof target === 'string' ? postgres(target, options) : postgres({ ...target, ...options });
}
