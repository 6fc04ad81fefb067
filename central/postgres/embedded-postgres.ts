import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeFolder } from '@holdfast/interconnect';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { locatePostgresBinaries } from './postgres-binaries.js';

/** `sun_path` of Linux holds 108 bytes, the last of which is the closing zero. */
const SOCKET_PATH_BYTES_MAX = 107;
const SOCKET_FILE = '.s.PGSQL.5432';
/** Read models, subscriptions and the intake of one central, with room for an administrator's psql. */
const CONNECTIONS_MAX = 60;
/** A cluster that was killed replays its write-ahead log first; minutes of it are replayed in seconds. */
const READY_WAIT_MS = 60_000;
/** How long a server of an earlier life may take to finish its own shutdown. */
const PREDECESSOR_WAIT_MS = 10_000;
const PREDECESSOR_POLL_MS = 25;
/** A fast shutdown writes one checkpoint. After this long the server is killed; it recovers at the next start. */
const STOP_WAIT_MS = 15_000;
/** Above `pid_max` of Linux (2^22): never a process. */
const NO_PROCESS_ID = 2_147_483_647;
/** What of the server's own messages is kept for an error message. */
const LOG_CHARACTERS_MAX = 4000;
/** The uid and gid of `nobody` on Linux: never root, owner of nothing. */
const UNPRIVILEGED_ID = 65534;

export interface EmbeddedPostgres extends AsyncDisposable {
  /** The folder of the Unix socket: `host` for a client. Mode 0700, so that no password is needed. */
  readonly socketDirectory: string;
  readonly processId: number;
  /** Resolves with the server's last words when it ends without having been told to. */
  readonly died: Promise<EmbeddedPostgresError>;
}

/**
 * Starts a real PostgreSQL on a Unix socket, out of the binaries that npm brought. Creates the cluster at the first
 * start (0.6 s), later starts take some 30 ms. The server ends with this process, also when it is killed (Linux).
 * Throws `EmbeddedPostgresError`.
 */
export async function startEmbeddedPostgres(options: {
  /** Where the cluster lives; created with mode 0700. */
  readonly directory: string;
}): Promise<EmbeddedPostgres> {
  const directory = path.resolve(options.directory);
  const binaries = await locatePostgresBinaries();
  makeFolder(directory);
  const confinement = await confine(directory);
  const cluster = path.join(directory, 'cluster');
  await createClusterOnce(binaries.initdb, cluster, confinement);
  await settlePredecessor(cluster);
  const socket = await chooseSocketDirectory(directory, confinement);
  try {
    const { server, said } = await launch(binaries.postgres, cluster, socket.directory, confinement);
    const stopping = new AbortController();
    return {
      socketDirectory: socket.directory,
      processId: server.pid!,
      died: deathOf(server, said, stopping.signal),
      async [Symbol.asyncDispose]() {
        stopping.abort();
        await stop(server);
        if (socket.temporary) await rm(socket.directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    if (socket.temporary) await rm(socket.directory, { recursive: true, force: true });
    throw error;
  }
}

/**
 * The folder of the socket of the embedded PostgreSQL that some process runs in this directory now; null when none does. The
 * fifth line of a pid file names it.
 */
export async function findRunningPostgres(directory: string): Promise<string | null> {
  const cluster = path.join(path.resolve(directory), 'cluster');
  const pidFile = path.join(cluster, 'postmaster.pid');
  const processId = await readPid(pidFile);
  if (processId === null || !(await isServerOf(processId, cluster))) return null;
  return (await readFile(pidFile, 'utf8')).split('\n')[4] ?? null;
}

/** How Postgres, which refuses to run as root, is run: the words that stand before its command line. */
interface Confinement {
  readonly prefix: readonly string[];
  /** Files must belong to this uid instead of ours. */
  readonly ownerId: number | null;
}

async function confine(directory: string): Promise<Confinement> {
  if (process.getuid?.() !== 0) return { prefix: [], ownerId: null };
  const namespace = ['unshare', '--user', `--map-user=${UNPRIVILEGED_ID}`, `--map-group=${UNPRIVILEGED_ID}`];
  if (spawnSync(namespace[0]!, [...namespace.slice(1), 'true']).status === 0) {
    return { prefix: namespace, ownerId: null };
  }
  // User namespaces are forbidden here (some container profiles do that): become `nobody` instead.
  if (!hasSetpriv()) {
    throw new EmbeddedPostgresError(
      'PostgreSQL does not run as root, this machine allows no user namespaces, and setpriv is missing: start as another user, or set DATABASE_URL',
    );
  }
  await chown(directory, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
  return {
    prefix: ['setpriv', `--reuid=${UNPRIVILEGED_ID}`, `--regid=${UNPRIVILEGED_ID}`, '--clear-groups', '--'],
    ownerId: UNPRIVILEGED_ID,
  };
}

let setprivFound: boolean | undefined;
function hasSetpriv(): boolean {
  setprivFound ??= spawnSync('setpriv', ['--help']).status === 0;
  return setprivFound;
}

async function createClusterOnce(initdb: string, cluster: string, confinement: Confinement): Promise<void> {
  if (existsSync(cluster)) return;
  // Built beside its place and moved in when complete: a kill in the middle leaves nothing that looks like a cluster.
  const unfinished = `${cluster}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const [command, ...words] = [
    ...confinement.prefix,
    ...[initdb, '-D', unfinished, '-U', 'holdfast', '-A', 'trust', '--no-instructions', '-E', 'UTF8'],
    ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'],
  ];
  const child = spawn(command!, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  const said = collect(child);
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) {
    throw new EmbeddedPostgresError(`initdb could not create ${cluster}: ${said()}`);
  }
  await rename(unfinished, cluster);
}

/**
 * After a kill the pid file stays behind, and its number may belong to any process by now, which would keep Postgres
 * from starting. So a server that really is one with this cluster is waited for; any other number is replaced. The
 * rest of the file stays: by it Postgres sees whether sessions of the killed server still use its shared memory.
 */
async function settlePredecessor(cluster: string): Promise<void> {
  const pidFile = path.join(cluster, 'postmaster.pid');
  const deadline = performance.now() + PREDECESSOR_WAIT_MS;
  for (;;) {
    const processId = await readPid(pidFile);
    if (processId === null) return;
    if (!(await isServerOf(processId, cluster))) break;
    if (performance.now() > deadline) {
      throw new EmbeddedPostgresError(
        `process ${processId} is a PostgreSQL server with ${cluster}: end it first, or use another data directory`,
      );
    }
    await delay(PREDECESSOR_POLL_MS);
  }
  const [, ...rest] = (await readFile(pidFile, 'utf8')).split('\n');
  await writeFile(pidFile, [NO_PROCESS_ID, ...rest].join('\n'), { mode: 0o600 });
}

async function readPid(pidFile: string): Promise<number | null> {
  try {
    const processId = Number.parseInt(await readFile(pidFile, 'utf8'), 10);
    return Number.isSafeInteger(processId) && processId > 1 ? processId : null;
  } catch {
    return null;
  }
}

/**
 * A server works in the folder of its cluster. Folders are compared, not their names: by another name of it (a symbolic link,
 * another mount) a server that runs would be taken for one that is gone, and lose its pid file and its socket.
 */
async function isServerOf(processId: number, cluster: string): Promise<boolean> {
  try {
    const words = (await readFile(`/proc/${processId}/cmdline`, 'utf8')).split('\0');
    const [worksIn, folder] = await Promise.all([stat(`/proc/${processId}/cwd`), stat(cluster)]);
    const same = worksIn.dev === folder.dev && worksIn.ino === folder.ino;
    return same && words.some(word => word.endsWith('/postgres'));
  } catch {
    return false;
  }
}

async function chooseSocketDirectory(
  directory: string,
  confinement: Confinement,
): Promise<{ directory: string; temporary: boolean }> {
  if (Buffer.byteLength(path.join(directory, SOCKET_FILE)) <= SOCKET_PATH_BYTES_MAX) {
    // Of this cluster alone, whose predecessor has ended: what lies here was left by a kill.
    await rm(path.join(directory, SOCKET_FILE), { force: true });
    await rm(path.join(directory, `${SOCKET_FILE}.lock`), { force: true });
    return { directory, temporary: false };
  }
  const short = await mkdtemp(path.join(os.tmpdir(), 'holdfast-'));
  if (confinement.ownerId !== null) await chown(short, confinement.ownerId, confinement.ownerId);
  return { directory: short, temporary: true };
}

async function launch(
  postgres: string,
  cluster: string,
  socketDirectory: string,
  confinement: Confinement,
): Promise<{ readonly server: ChildProcess; readonly said: () => string }> {
  const [command, ...words] = [
    // A fast shutdown when this process dies, however it dies: no orphan keeps the cluster.
    ...(hasSetpriv() ? ['setpriv', '--pdeathsig', 'INT', '--'] : []),
    ...confinement.prefix,
    ...[postgres, '-D', cluster, '-k', socketDirectory],
    ...['-c', 'listen_addresses=', '-c', `max_connections=${CONNECTIONS_MAX}`],
    ...['-c', 'unix_socket_permissions=0700', '-c', 'timezone=UTC', '-c', 'shared_buffers=128MB'],
  ];
  const deadline = performance.now() + PREDECESSOR_WAIT_MS;
  for (;;) {
    const { server, outcome, said } = await attempt(command!, words);
    if (outcome === 'READY') return { server, said };
    server.kill('SIGKILL');
    // Sessions of a killed server notice its end within moments.
    if (!said().includes('pre-existing shared memory block') || performance.now() > deadline) {
      throw new EmbeddedPostgresError(`PostgreSQL did not start with ${cluster} (${outcome}): ${said()}`);
    }
    await delay(PREDECESSOR_POLL_MS);
  }
}

async function attempt(
  command: string,
  words: readonly string[],
): Promise<{ server: ChildProcess; outcome: 'READY' | 'EXITED' | 'TIMED_OUT'; said: () => string }> {
  const server = spawn(command, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Its own session: a Ctrl-C in the terminal must reach us first, so that what is in flight can be finished.
    detached: true,
  });
  const said = collect(server);
  const ready = new Promise<'READY'>(resolve => {
    server.stderr!.on('data', () => {
      if (said().includes('ready to accept connections')) resolve('READY');
    });
  });
  const waited = new AbortController();
  const outcome = await Promise.race([
    ready,
    once(server, 'close').then(() => 'EXITED' as const),
    delay(READY_WAIT_MS, 'TIMED_OUT' as const, { signal: waited.signal }),
  ]);
  waited.abort();
  return { server, outcome, said };
}

/** Never resolves for a server that is stopped. */
function deathOf(
  server: ChildProcess,
  said: () => string,
  stopping: AbortSignal,
): Promise<EmbeddedPostgresError> {
  return new Promise(resolve => {
    server.once('close', (code, killedBy) => {
      if (stopping.aborted) return;
      resolve(new EmbeddedPostgresError(`PostgreSQL ended by itself (${killedBy ?? code}): ${said()}`));
    });
  });
}

function collect(child: ChildProcess): () => string {
  let text = '';
  child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-LOG_CHARACTERS_MAX);
  });
  return () => text.trim();
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGINT');
  const waited = new AbortController();
  const outcome = await Promise.race([
    ended,
    delay(STOP_WAIT_MS, 'TIMED_OUT' as const, { signal: waited.signal }),
  ]);
  waited.abort();
  if (outcome === 'TIMED_OUT') {
    server.kill('SIGKILL');
    await ended;
  }
}
