import { Command, InvalidArgumentError } from 'commander';
import { type BenchCommandOptions, benchNames } from './bench.command.js';
import type { DemonstrationCommandOptions } from './demonstration.command.js';
import type { DiscoverCommandOptions } from './discover.command.js';
import type { InitCommandOptions } from './init.command.js';
import type { LogProveOptions } from './log-proof.command.js';
import type { MediaExportOptions, MediaPasswordOptions } from './media.command.js';
import { EXIT_UNREACHABLE, EXIT_WRONG_USE } from './process-lifetime.js';
import type { ProjectionsCommandOptions } from './projections.command.js';
import { WrongUseError } from './wrong-use-error.js';

const program = new Command('holdfast')
  .description('An event-sourced video management system for organisations with many sites.')
  .exitOverride()
  .configureHelp({ sortSubcommands: false });

/**
 * Commands return their exit code; the process ends with it when all is written. Each loads its own modules only when it is given:
 * that is most of the time that a short one takes.
 */
const ends =
  <Args extends unknown[]>(command: (...args: Args) => number | Promise<number>) =>
  async (...args: Args) => {
    process.exitCode = await command(...args);
  };

program
  .command('run')
  .argument('<file>', 'configuration')
  .description('run the roles in a configuration file')
  .action(ends(async (file: string) => (await import('./run.command.js')).runCommand(file)));

program
  .command('init')
  .argument('<dir>', 'a new folder')
  .option('--site <name>', 'a site instead of a central')
  .option('--region <name>', 'a central that reports to another one')
  .option('--central <dir>', 'the folder of the central that the site or region reports to')
  .description('write a commented configuration and create keys')
  .action(
    ends(async (dir: string, options: InitCommandOptions) =>
      (await import('./init.command.js')).initCommand(dir, options),
    ),
  );

program
  .command('check')
  .argument('<file>', 'configuration')
  .description('validate a configuration, and the certificates, keys and passwords that it names')
  .action(ends(async (file: string) => (await import('./check.command.js')).checkCommand(file)));

program
  .command('renew')
  .argument('<file>', 'configuration')
  .requiredOption('--central <dir>', 'the folder of the central whose authority/ issues certificates')
  .description('write a new certificate and key of a site or central; start it again with them')
  .action(
    ends(async (file: string, options: { central: string }) =>
      (await import('./renew.command.js')).renewCommand(file, options),
    ),
  );

/** Of `verify`, `media check` and `media export`. */
const passwordFile = [
  '--password-file <file>',
  'its first line is the password of encrypted recordings; else HOLDFAST_MEDIA_PASSWORD',
] as const;

program
  .command('verify')
  .argument('<dir>', 'data directory, or the configuration file of a site whose log is on a server')
  .option('--json', 'print one line of JSON', false)
  .option(...passwordFile)
  .description('prove a data directory; exit 1 and name what is damaged')
  .action(
    ends(async (dir: string, options: { json: boolean; passwordFile?: string }) =>
      (await import('./verify.command.js')).verifyCommand(dir, options),
    ),
  );

const log = program.command('log').description('read a log as JSON lines, and prove what is in it');
log
  .command('tail')
  .argument('<dir>', 'data directory of a site')
  .option('--lines <n>', 'begin with the last n events', wholeNumber, 10)
  .option('--follow', 'go on with what is appended', false)
  .action(
    ends(async (dir: string, options: { lines: number; follow: boolean }) =>
      (await import('./log.command.js')).logTailCommand(dir, options),
    ),
  );
log
  .command('show')
  .argument('<dir>', 'data directory of a site')
  .requiredOption('--stream <stream>', 'e.g. alarm-<id>')
  .option('--as-of <when>', 'what the stream makes of its thing at a time, or at a place EPOCH/POSITION')
  .action(
    ends(async (dir: string, { stream, asOf }: { stream: string; asOf?: string }) =>
      asOf === undefined
        ? (await import('./log.command.js')).logShowCommand(dir, { stream })
        : (await import('./log-as-of.command.js')).logAsOfCommand(dir, { stream, asOf }),
    ),
  );
log
  .command('prove')
  .argument('<dir>', 'data directory of a site')
  .option('--event <id>', 'that this event is in the log')
  .option('--since <[epoch/]size or file>', 'that the log continues this older checkpoint')
  .option('--to <file>', 'where the proof is written instead of standard output')
  .description('write a proof that can be checked offline, also without Holdfast')
  .action(
    ends(async (dir: string, options: LogProveOptions) =>
      (await import('./log-proof.command.js')).logProveCommand(dir, options),
    ),
  );
log
  .command('verify-proof')
  .argument('<file>', 'proof')
  .requiredOption(
    '--key <file>',
    'whose signature is wanted: a key in PEM, or verifier keys of one signer (repeatable)',
    append,
    [],
  )
  .option('--json', 'print one line of JSON', false)
  .description('check a proof offline; exit 1 when it proves nothing')
  .action(
    ends(async (file: string, options: { key: readonly string[]; json: boolean }) =>
      (await import('./log-proof.command.js')).logVerifyProofCommand(file, options),
    ),
  );
log
  .command('keys')
  .argument('<dir>', 'data directory of a site')
  .description('print the public keys of a site, for verify-proof and for Go')
  .action(ends(async (dir: string) => (await import('./log-proof.command.js')).logKeysCommand(dir)));

const media = program.command('media').description('the recordings in a media directory or a data directory');
media
  .command('check')
  .argument('<dir>', 'media directory of a recording server, or data directory')
  .option('--json', 'print one line of JSON', false)
  .option(...passwordFile)
  .description('read every recording, compare it with manifest and index; exit 1 and name what is damaged')
  .action(
    ends(async (dir: string, options: { json: boolean; passwordFile?: string }) =>
      (await import('./media.command.js')).mediaCheckCommand(dir, options),
    ),
  );
media
  .command('repair')
  .argument('<dir>', 'media directory of a recording server that does not run, or data directory')
  .option('--json', 'print one line of JSON', false)
  .description('cut torn ends, take in what the index lost, move aside what holds nothing; deletes nothing')
  .action(
    ends(async (dir: string, options: { json: boolean }) =>
      (await import('./media.command.js')).mediaRepairCommand(dir, options),
    ),
  );
media
  .command('password')
  .argument('<dir>', 'media directory of a recording server that does not run, or data directory')
  .option(...passwordFile)
  .requiredOption('--new-password-file <file>', 'its first line is the new password')
  .description('give the keys of encrypted recordings another password; recordings stay as they are')
  .action(
    ends(async (dir: string, options: MediaPasswordOptions) =>
      (await import('./media.command.js')).mediaPasswordCommand(dir, options),
    ),
  );
media
  .command('export')
  .argument('<dir>', 'media directory of a recording server, or data directory')
  .requiredOption('--device <id or name...>', 'cameras; by name in a data directory only')
  .requiredOption('--from <time>', 'e.g. 2026-11-20T12:00:00Z')
  .requiredOption('--to <time>', 'exclusive')
  .requiredOption('--out <file>', 'a new file.mp4')
  .option('--json', 'print the list of digests as one line of JSON for each camera', false)
  .option(...passwordFile)
  .description(
    'write a span as MP4, each camera into files of its own, and beside it the digests that prove it',
  )
  .action(
    ends(async (dir: string, options: MediaExportOptions) =>
      (await import('./media.command.js')).mediaExportCommand(dir, options),
    ),
  );

program
  .command('subject')
  .description('what is kept about people')
  .command('erase')
  .argument('<dir>', 'data directory of a site that does not run')
  .option('--user <name>', 'a user, by name')
  .option('--subject <subject>', 'user-<pseudonym>, alarm-<id> or evidence-lock-<id>')
  .description('destroy the keys of a subject: what was sealed under them can be read by nobody any more')
  .action(
    ends(async (dir: string, options: { user?: string; subject?: string }) =>
      (await import('./subject.command.js')).subjectEraseCommand(dir, options),
    ),
  );

const link = program.command('link').description("the demonstration's emulated links");
for (const action of ['cut', 'restore'] as const) {
  link
    .command(action)
    .argument('<site>', 'id or name of a site')
    .option('--data <dir>', 'data directory of the demonstration', './data')
    .action(
      ends(async (site: string, options: { data: string }) =>
        (await import('./link.command.js')).linkCommand(action, site, options),
      ),
    );
}
link
  .command('shape')
  .argument('<site>', 'id or name of a site')
  .option('--trace <file>', 'CSV of seconds,megabits_per_second')
  .option('--megabits <n>', 'a constant rate instead', positiveNumber)
  .option('--delay-ms <n>', 'one-way delay', wholeNumber)
  .option('--data <dir>', 'data directory of the demonstration', './data')
  .action(
    ends(
      async (site: string, options: { data: string; trace?: string; megabits?: number; delayMs?: number }) =>
        (await import('./link.command.js')).linkCommand('shape', site, options),
    ),
  );

const projections = program.command('projections').description("a central's read models");
function projectionsCommand(name: string, description: string) {
  return projections
    .command(name)
    .description(description)
    .option('--data <dir>', 'data directory of the central', './data/central')
    .option('--json', 'lines of JSON', false);
}
projectionsCommand('list', 'what is served, how far it has come, what is put aside').action(
  ends(async (options: ProjectionsCommandOptions) =>
    (await import('./projections.command.js')).projectionsListCommand(options),
  ),
);
projectionsCommand('rebuild', 'build anew beside what is served, then swap')
  .argument('[name...]')
  .option('--all', 'every projection', false)
  .action(
    ends(async (names: string[], options: ProjectionsCommandOptions & { all: boolean }) =>
      (await import('./projections.command.js')).projectionsRebuildCommand(names, options),
    ),
  );
projectionsCommand('quarantine', 'events that could not be folded, as JSON lines')
  .argument('[name]')
  .option('--release', 'try them again, in order', false)
  .action(
    ends(async (name: string | undefined, options: ProjectionsCommandOptions & { release: boolean }) =>
      (await import('./projections.command.js')).projectionsQuarantineCommand(name, options),
    ),
  );
projectionsCommand('check', 'fold the log again and compare; exit 1 names what differs')
  .argument('[name]')
  .action(
    ends(async (name: string | undefined, options: ProjectionsCommandOptions) =>
      (await import('./projections.command.js')).projectionsCheckCommand(name, options),
    ),
  );

program
  .command('bench')
  .argument('<name>', benchNames.join(', '))
  .option('--json', 'print nothing but the result', false)
  .option('--hours <n>', 'soak: how long, 4 unless told otherwise')
  .option('--cameras <n>', 'soak: how many, 32 unless told otherwise; ingest: 16')
  .option('--dir <dir>', 'soak: where; a small volume is filled up as well')
  .option('--log <file>', 'soak: where the site writes what it has to say')
  .option('--trace <file>', 'retrieve: CSV of seconds,megabits_per_second instead of 10 Mbit/s with cuts')
  .description('measure, beside a floor or a peer in the same run')
  .action(
    ends(async (name: string, options: BenchCommandOptions) =>
      (await import('./bench.command.js')).benchCommand(name, options),
    ),
  );

program
  .command('demonstration')
  .description('a central, remote sites and simulated cameras on this machine (npm start)')
  .option('--data <dir>', 'where everything is kept', './data')
  .option('--port <port>', 'console, GraphQL and media of the central', '8080')
  .option('--camera <url>', 'record this RTSP camera at the first site (repeatable)', append, [])
  .option('--sites <n>', 'number of remote sites', '2')
  .option('--segment-seconds <n>', 'length of one file of a recording', '15')
  .option('--json', 'print one line of JSON when ready', false)
  .action(
    ends(async (options: DemonstrationCommandOptions) =>
      (await import('./demonstration.command.js')).demonstrationCommand(options),
    ),
  );

program
  .command('discover')
  .description("find the ONVIF cameras of this server's network")
  .option('--seconds <count>', 'how long answers are waited for', wholeNumber, 3)
  .option('--from <address>', 'ask from the interface that has this address')
  .option('--json', 'one line of JSON')
  .action(
    ends(async (options: DiscoverCommandOptions) =>
      (await import('./discover.command.js')).discoverCommand(options),
    ),
  );

program
  .command('simulated-cameras', { hidden: true })
  .requiredOption('--port <port>', 'RTSP', wholeNumber)
  .action(
    ends(async (options: { port: number }) =>
      (await import('./simulated-cameras.command.js')).simulatedCamerasCommand(options),
    ),
  );

function append(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number');
  return Number(text);
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number above 0');
  return value;
}

/** SQLSTATEs of a server that ends or begins, and what its client says of one that is gone. */
const DATABASE_ENDED = /^(57P0[1-3]|CONNECTION_(CLOSED|ENDED|DESTROYED))$/;

/** As Node says it, and gRPC after it. */
const LISTENING = /listen (E[A-Z]+):[^,\]]*? (\S+:\d+)/;
const listeningInWords: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another program listens there; end it, or give another port in the configuration',
  EADDRNOTAVAIL: 'no interface of this machine has this address; correct host in the configuration',
  EACCES: 'this user may not; give a port from 1024 on',
};

try {
  await program.parseAsync();
} catch (error) {
  const code = (error as { code?: string }).code ?? '';
  if (error instanceof WrongUseError || code === 'FOLDER_NOT_MADE') {
    process.stderr.write(`holdfast: ${(error as Error).message}\n`);
    process.exitCode = EXIT_WRONG_USE;
  } else if (code === 'DATABASE_UNREACHABLE') {
    process.stderr.write(`holdfast: ${(error as Error).message}\n`);
    process.exitCode = EXIT_UNREACHABLE;
  } else if (DATABASE_ENDED.test(code)) {
    process.stderr.write(
      `holdfast: the database has ended meanwhile: ${(error as Error).message}. Nothing is half done: try again when it runs\n`,
    );
    process.exitCode = EXIT_UNREACHABLE;
  } else if (!code.startsWith('commander.')) {
    process.stderr.write(`holdfast: ${error instanceof Error ? describe(error) : error}\n`);
    process.exitCode = 1;
  } else if ((error as { exitCode?: number }).exitCode !== 0) {
    process.exitCode = EXIT_WRONG_USE;
  }
}
// A client that keeps dialling a server that is gone would keep this process alive: alive, and serving nothing.
process.stdout.write('', () => process.exit());

function describe(error: Error): string {
  if (process.env.HOLDFAST_LOG_LEVEL === 'debug') return String(error.stack);
  const [, code = '', address] = LISTENING.exec(error.message) ?? [];
  if (code in listeningInWords) return `cannot listen on ${address}: ${listeningInWords[code]}`;
  const { cause } = error;
  const isSaid = !(cause instanceof Error) || error.message.includes(cause.message);
  return isSaid ? error.message : `${error.message}, because: ${cause.message}`;
}
