import { spawnSync } from 'node:child_process';
import { temporaryFolder } from './media-fixture.js';

// A small file system needs a mount namespace: root has it, and so have users where the system lets them.
const mountNamespaces = ['unshare --mount', 'unshare --user --map-root-user --mount'];
const mounts = (namespace: string) =>
  spawnSync('sh', ['-c', `${namespace} sh -c 'mount -t tmpfs tmpfs /mnt'`]).status === 0;
const namespace = mountNamespaces.find(mounts);

/** False: this system lets nobody mount a small file system. The suite is then named among what was skipped. */
export function hasSmallDisks(suiteName: string): boolean {
  if (namespace !== undefined) return true;
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED ??= [];
  skipped.HOLDFAST_SKIPPED.push(`${suiteName}: no small file system can be mounted here`);
  return false;
}

/** Runs a program once for each of `phases`, one after the other on one small disk: `node PROGRAM DIR PHASE`. */
export async function runOnSmallDisk(options: {
  readonly megabytes: number;
  readonly program: string;
  readonly phases: readonly string[];
}): Promise<{ readonly results: readonly Record<string, unknown>[]; readonly stderr: string }> {
  const { megabytes, program, phases } = options;
  await using folder = await temporaryFolder();
  const runs = phases.map(phase => `"$2" --disable-warning=ExperimentalWarning "$3" "$1" "${phase}"`);
  const script = [`mount -t tmpfs -o size=${megabytes}m tmpfs "$1"`, ...runs].join('; ');
  const run = spawnSync(
    'sh',
    ['-c', `${namespace} sh -c '${script}' sh "$1" "$2" "$3"`, 'sh', folder.path, process.execPath, program],
    { encoding: 'utf8', timeout: 300_000, killSignal: 'SIGKILL' },
  );
  const results = run.stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line));
  return { results, stderr: run.stderr };
}
