import { Command, InvalidArgumentError } from 'commander';
import { type BenchCommandOptions, benchCommand, benchNames } from './bench.command.js';
import { checkCommand } from './check.command.js';
import { demonstrationCommand } from './demonstration.command.js';
import { type DiscoverCommandOptions, discoverCommand } from './discover.command.js';
import { type InitCommandOptions, initCommand } from './init.command.js';
import { linkCommand } from './link.command.js';
import { logShowCommand, logTailCommand } from './log.command.js';
import { logAsOfCommand } from './log-as-of.command.js';
import {
  type LogProveOptions,
  logKeysCommand,
  logProveCommand,
  logVerifyProofCommand,
} from './log-proof.command.js';
import {
  type MediaExportOptions,
  mediaCheckCommand,
  mediaExportCommand,
  mediaRepairCommand,
} from './media.command.js';
import { EXIT_WRONG_USE } from './process-lifetime.js';
import {
  type ProjectionsCommandOptions,
  projectionsCheckCommand,
  projectionsListCommand,
  projectionsQuarantineCommand,
  projectionsRebuildCommand,
} from './projections.command.js';
import { runCommand } from './run.command.js';
import { simulatedCamerasCommand } from './simulated-cameras.command.js';
import { subjectEraseCommand } from './subject.command.js';
import { verifyCommand } from './verify.command.js';

const program = new Command('holdfast')
  .description('An event-sourced video management system for organisations with many sites.')
  .exitOverride()
  .configureHelp({ sortSubcommands: false });

/** Commands return their exit code; the process ends with it when all is written. */
const ends =
  <Args extends unknown[]>(command: (...args: Args) => number | Promise<number>) =>
  async (...args: Args) => {
    process.exitCode = await command(...args);
  };

program
  .command('run')
  .argument('<file>', 'configuration')
  .description('run the roles in a configuration file')
  .action(ends((file: string) => runCommand(file)));

program
  .command('init')
  .argument('<dir>', 'a new folder')
  .option('--site <name>', 'a site instead of a central')
  .option('--region <name>', 'a central that reports to another one')
  .option('--central <dir>', 'the folder of the central that the site or region reports to')
  .description('write a commented configuration and create keys')
  .action(ends((dir: string, options: InitCommandOptions) => initCommand(dir, options)));

program
  .command('check')
  .argument('<file>', 'configuration')
  .description('validate a configuration without starting it')
  .action(ends((file: string) => checkCommand(file)));

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
    ends((dir: string, options: { json: boolean; passwordFile?: string }) => verifyCommand(dir, options)),
  );

const log = program.command('log').description('read a log as JSON lines, and prove what is in it');
log
  .command('tail')
  .argument('<dir>', 'data directory of a site')
  .option('--lines <n>', 'begin with the last n events', wholeNumber, 10)
  .option('--follow', 'go on with what is appended', false)
  .action(ends((dir: string, options: { lines: number; follow: boolean }) => logTailCommand(dir, options)));
log
  .command('show')
  .argument('<dir>', 'data directory of a site')
  .requiredOption('--stream <stream>', 'e.g. alarm-<id>')
  .option('--as-of <when>', 'what the stream makes of its thing at a time, or at a place EPOCH/POSITION')
  .action(
    ends((dir: string, { stream, asOf }: { stream: string; asOf?: string }) =>
      asOf === undefined ? logShowCommand(dir, { stream }) : logAsOfCommand(dir, { stream, asOf }),
    ),
  );
log
  .command('prove')
  .argument('<dir>', 'data directory of a site')
  .option('--event <id>', 'that this event is in the log')
  .option('--since <[epoch/]size or file>', 'that the log continues this older checkpoint')
  .option('--to <file>', 'where the proof is written instead of standard output')
  .description('write a proof that can be checked offline, also without Holdfast')
  .action(ends((dir: string, options: LogProveOptions) => logProveCommand(dir, options)));
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
    ends((file: string, options: { key: readonly string[]; json: boolean }) =>
      logVerifyProofCommand(file, options),
    ),
  );
log
  .command('keys')
  .argument('<dir>', 'data directory of a site')
  .description('print the public keys of a site, for verify-proof and for Go')
  .action(ends((dir: string) => logKeysCommand(dir)));

const media = program.command('media').description('the recordings in a media directory or a data directory');
media
  .command('check')
  .argument('<dir>', 'media directory of a recording server, or data directory')
  .option('--json', 'print one line of JSON', false)
  .option(...passwordFile)
  .description('read every recording, compare it with manifest and index; exit 1 and name what is damaged')
  .action(
    ends((dir: string, options: { json: boolean; passwordFile?: string }) => mediaCheckCommand(dir, options)),
  );
media
  .command('repair')
  .argument('<dir>', 'media directory of a recording server that does not run, or data directory')
  .option('--json', 'print one line of JSON', false)
  .description('cut torn ends, take in what the index lost, move aside what holds nothing; deletes nothing')
  .action(ends((dir: string, options: { json: boolean }) => mediaRepairCommand(dir, options)));
media
  .command('export')
  .argument('<dir>', 'media directory of a recording server, or data directory')
  .requiredOption('--device <id or name>', 'a camera; by name in a data directory only')
  .requiredOption('--from <time>', 'e.g. 2026-11-20T12:00:00Z')
  .requiredOption('--to <time>', 'exclusive')
  .requiredOption('--out <file>', 'a new file.mp4')
  .option('--json', 'print the list of digests as one line of JSON', false)
  .option(...passwordFile)
  .description('write a span as MP4, and beside it the digests that prove it')
  .action(ends((dir: string, options: MediaExportOptions) => mediaExportCommand(dir, options)));

program
  .command('subject')
  .description('what is kept about people')
  .command('erase')
  .argument('<dir>', 'data directory of a site that does not run')
  .option('--user <name>', 'a user, by name')
  .option('--subject <subject>', 'user-<pseudonym>, alarm-<id> or evidence-lock-<id>')
  .description('destroy the keys of a subject: what was sealed under them can be read by nobody any more')
  .action(
    ends((dir: string, options: { user?: string; subject?: string }) => subjectEraseCommand(dir, options)),
  );

const link = program.command('link').description("the demonstration's emulated links");
for (const action of ['cut', 'restore'] as const) {
  link
    .command(action)
    .argument('<site>', 'id or name of a site')
    .option('--data <dir>', 'data directory of the demonstration', './data')
    .action(ends((site: string, options: { data: string }) => linkCommand(action, site, options)));
}
link
  .command('shape')
  .argument('<site>', 'id or name of a site')
  .option('--trace <file>', 'CSV of seconds,megabits_per_second')
  .option('--megabits <n>', 'a constant rate instead', positiveNumber)
  .option('--delay-ms <n>', 'one-way delay', wholeNumber)
  .option('--data <dir>', 'data directory of the demonstration', './data')
  .action(
    ends((site: string, options: { data: string; trace?: string; megabits?: number; delayMs?: number }) =>
      linkCommand('shape', site, options),
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
  ends((options: ProjectionsCommandOptions) => projectionsListCommand(options)),
);
projectionsCommand('rebuild', 'build anew beside what is served, then swap')
  .argument('[name...]')
  .option('--all', 'every projection', false)
  .action(
    ends((names: string[], options: ProjectionsCommandOptions & { all: boolean }) =>
      projectionsRebuildCommand(names, options),
    ),
  );
projectionsCommand('quarantine', 'events that could not be folded, as JSON lines')
  .argument('[name]')
  .option('--release', 'try them again, in order', false)
  .action(
    ends((name: string | undefined, options: ProjectionsCommandOptions & { release: boolean }) =>
      projectionsQuarantineCommand(name, options),
    ),
  );
projectionsCommand('check', 'fold the log again and compare; exit 1 names what differs')
  .argument('[name]')
  .action(
    ends((name: string | undefined, options: ProjectionsCommandOptions) =>
      projectionsCheckCommand(name, options),
    ),
  );

program
  .command('bench')
  .argument('<name>', benchNames.join(', '))
  .option('--json', 'print nothing but the result', false)
  .option('--trace <file>', 'retrieve: CSV of seconds,megabits_per_second instead of 10 Mbit/s with cuts')
  .description('measure, beside a floor or a peer in the same run')
  .action(ends((name: string, options: BenchCommandOptions) => benchCommand(name, options)));

program
  .command('demonstration')
  .description('a central, remote sites and simulated cameras on this machine (npm start)')
  .option('--data <dir>', 'where everything is kept', './data')
  .option('--port <port>', 'console, GraphQL and media of the central', '8080')
  .option('--camera <url>', 'record this RTSP camera at the first site (repeatable)', append, [])
  .option('--sites <n>', 'number of remote sites', '2')
  .option('--json', 'print one line of JSON when ready', false)
  .action(ends(demonstrationCommand));

program
  .command('discover')
  .description("find the ONVIF cameras of this server's network")
  .option('--seconds <count>', 'how long answers are waited for', wholeNumber, 3)
  .option('--from <address>', 'ask from the interface that has this address')
  .option('--json', 'one line of JSON')
  .action(ends((options: DiscoverCommandOptions) => discoverCommand(options)));

program
  .command('simulated-cameras', { hidden: true })
  .requiredOption('--port <port>', 'RTSP', wholeNumber)
  .action(ends((options: { port: number }) => simulatedCamerasCommand(options)));

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

try {
  await program.parseAsync();
} catch (error) {
  const code = (error as { code?: string }).code ?? '';
  if (!code.startsWith('commander.')) {
    process.stderr.write(`holdfast: ${error instanceof Error ? describe(error) : error}\n`);
    process.exitCode = 1;
  } else if ((error as { exitCode?: number }).exitCode !== 0) {
    process.exitCode = EXIT_WRONG_USE;
  }
}
// A client that keeps dialling a server that is gone would keep this process alive: alive, and serving nothing.
process.stdout.write('', () => process.exit());

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `\n  because: ${error.cause.message}` : '';
  return process.env.HOLDFAST_LOG_LEVEL === 'debug' ? String(error.stack) : `${error.message}${cause}`;
}
