import postgres from 'postgres';
import { startEmbeddedPostgres } from './embedded-postgres.js';
import { applyMigrations } from './migrations.js';
import { type Sql, sqlTypes } from './sql.js';

/** Queries of the API and the intake side by side; Postgres itself allows more (see the launcher). */
const POOL_CONNECTIONS_MAX = 16;
const CONNECT_TIMEOUT_SECONDS = 10;

export interface Database extends AsyncDisposable {
  /** A pool of connections. */
  readonly sql: Sql;
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
  const sql = embedded
    ? connect({ host: embedded.socketDirectory, username: 'holdfast', database: 'postgres' })
    : connect(options.databaseUrl!);
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
  return { sql, [Symbol.asyncDispose]: close };
}

function connect(target: string | { host: string; username: string; database: string }): Sql {
  const options = {
    max: POOL_CONNECTIONS_MAX,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    types: sqlTypes,
    // Columns are snake_case, rows camelCase.
    transform: { column: { from: postgres.toCamel } },
    onnotice: () => undefined,
    connection: { application_name: 'holdfast' },
  };
  return typeof target === 'string' ? postgres(target, options) : postgres({ ...target, ...options });
}
