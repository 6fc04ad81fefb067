import {
  CheckpointError,
  checkpointKey,
  encodeBase64,
  encodeVerifierKey,
  formatLogProof,
  type LogProof,
  LogProofError,
  PROOF_CHARACTERS_MAX,
  type ProvenCheckpoint,
  type ProvenFact,
  parseLogProof,
  type TrustedKey,
  verifyLogProof,
  witnessKey,
  witnessName,
} from '@holdfast/core';
import {
  type ProofOutcome,
  type ProofRefusal,
  proveConsistency,
  proveEvent,
  rawPublicKey,
  readLogKey,
  readSiteLogFile,
  readTrustedKeys,
  sha256,
  TrustedKeyError,
  verifyNote,
} from '@holdfast/sites';
import { logFileOrReport } from './log.command.js';
import { readNamedFile, writeNamedFile } from './named-file.js';
import { EXIT_NO, EXIT_WRONG_USE, processLifetime } from './process-lifetime.js';
import { ProgressLine } from './progress-line.js';
import { WrongUseError } from './wrong-use-error.js';

/** A file of keys that is larger is not one. */
const KEY_FILE_BYTES_MAX = 64 * 1024;

export interface LogProveOptions {
  readonly event?: string;
  readonly since?: string;
  readonly to?: string;
}

/** `holdfast log prove DIR`: writes a proof that others can check without us. Works beside a running site. */
export async function logProveCommand(directory: string, options: LogProveOptions): Promise<number> {
  const { event, since, to } = options;
  if ((event === undefined) === (since === undefined)) {
    return wrongUse('name what to prove: either --event <id> or --since <size, epoch/size or file>');
  }
  const file = logFileOrReport(directory);
  if (file === null) return EXIT_WRONG_USE;
  using progress = new ProgressLine();
  const common = {
    ...{ file, signal: processLifetime() },
    onProgress: (done: number, total: number) => progress.show('reading the log', done, total),
  };
  let outcome: ProofOutcome<LogProof>;
  try {
    outcome =
      since === undefined
        ? await proveEvent({ ...common, eventId: event! })
        : await proveConsistency({ ...common, since: oldCheckpointOf(since) });
  } catch (error) {
    if (error instanceof CheckpointError || error instanceof WrongUseError) {
      return wrongUse(`--since ${since}: neither a size nor a file with a checkpoint: ${error.message}`);
    }
    throw error;
  } finally {
    progress.clear();
  }
  if (!outcome.proven) {
    process.stderr.write(`holdfast: ${describeRefusal(outcome.refusal)}\n`);
    return EXIT_NO;
  }
  const text = formatLogProof(outcome.proof);
  if (to === undefined) process.stdout.write(text);
  else writeNamedFile(to, text);
  return 0;
}

/** `holdfast log keys DIR`: the public keys of a site, as this command line and Go's note package read them. */
export function logKeysCommand(directory: string): number {
  const file = logFileOrReport(directory);
  if (file === null) return EXIT_WRONG_USE;
  const logKey = readLogKey(directory);
  if ('why' in logKey) return wrongUse(logKey.why);
  using log = readSiteLogFile(file);
  const { site, epoch } = log.head();
  const publicKey = rawPublicKey(logKey.key);
  for (let number = 1; number <= epoch; number += 1) {
    process.stdout.write(`${encodeVerifierKey(checkpointKey({ site, epoch: number }, publicKey), sha256)}\n`);
  }
  process.stdout.write(`${encodeVerifierKey(witnessKey(witnessName(site), publicKey), sha256)}\n`);
  return 0;
}

/** `holdfast log verify-proof FILE --key FILE`: checks a proof offline and says in words what it proves. */
export function logVerifyProofCommand(
  file: string,
  options: { readonly key: readonly string[]; readonly json: boolean },
): number {
  if (options.key.length === 0) return wrongUse('name at least one --key: whose signature is believed?');
  const signers = options.key.map(keysIn);
  const text = readNamedFile(file, PROOF_CHARACTERS_MAX);
  try {
    const fact = verifyLogProof(parseLogProof(text), { signers, verify: verifyNote }, sha256);
    process.stdout.write(
      options.json ? lineOf({ proven: true, ...summaryOf(fact) }) : printable(describeFact(fact)),
    );
    return 0;
  } catch (error) {
    if (!(error instanceof LogProofError)) throw error;
    const { failure, message } = error;
    const said = options.json
      ? lineOf({ proven: false, failure, detail: message })
      : `NOT proven: ${printable(message)}\n`;
    process.stdout.write(said);
    return EXIT_NO;
  }
}

function describeFact(fact: ProvenFact): string {
  const { head } = fact.checkpoint;
  const log = `the log of site ${head.site}, epoch ${head.epoch}`;
  if (fact.kind === 'CONSISTENCY') {
    return [
      `proven: ${log}, of ${head.size} events begins with the ${fact.old.head.size} events that were signed before`,
      ...describeSignings(fact.old, `the ${fact.old.head.size} events`),
      ...describeSignings(fact.checkpoint, `the ${head.size} events`),
      '',
    ].join('\n');
  }
  const { event } = fact;
  return [
    `proven: ${event.type} (version ${event.version}) is at position ${event.position} in ${log}`,
    `  event     ${event.id}, revision ${event.revision} of ${event.stream}, by ${event.actor}`,
    `  recorded  ${iso(Number(event.recordedAt >> 16n))}, says the site's clock`,
    `  occurred  ${iso(event.occurredAtMs)}, says who reported it (clock: ${event.clockQuality})`,
    ...(event.correlationId === null
      ? []
      : [
          `  belongs   to event ${event.correlationId}: if that is a LogSalvaged, this was found unsigned in a damaged file`,
        ]),
    `  data      ${textOf(fact.data)}`,
    ...describeSignings(fact.checkpoint, `the ${head.size} events`),
    '',
  ].join('\n');
}

function describeSignings({ signings }: ProvenCheckpoint, what: string): readonly string[] {
  return signings.map(({ keyName, publicKey, timeSeconds }) =>
    timeSeconds === null
      ? `signed    ${what}, by ${keyName} (key ${encodeBase64(publicKey)})`
      : `witnessed ${what}, by ${keyName} (key ${encodeBase64(publicKey)}) at ${iso(timeSeconds * 1000)}, says its clock`,
  );
}

function summaryOf(fact: ProvenFact): object {
  const checkpointOf = ({ head, signings }: ProvenCheckpoint) => ({
    ...{ site: head.site, epoch: head.epoch, size: head.size, root: encodeBase64(head.root) },
    signings: signings.map(({ keyName, publicKey, timeSeconds }) => ({
      ...{ keyName, publicKey: encodeBase64(publicKey) },
      time: timeSeconds === null ? null : iso(timeSeconds * 1000),
    })),
  });
  const checkpoint = checkpointOf(fact.checkpoint);
  if (fact.kind === 'CONSISTENCY') return { kind: fact.kind, since: checkpointOf(fact.old), checkpoint };
  const { id, type, version, position, stream, revision, actor, correlationId } = fact.event;
  const recordedAt = iso(Number(fact.event.recordedAt >> 16n));
  const occurredAt = iso(fact.event.occurredAtMs);
  const event = {
    id,
    type,
    version,
    position,
    stream,
    revision,
    actor,
    recordedAt,
    occurredAt,
    correlationId,
  };
  return { kind: fact.kind, event: { ...event, data: dataOf(fact.data) }, checkpoint };
}

function describeRefusal(refusal: ProofRefusal): string {
  switch (refusal.code) {
    case 'EVENT_NOT_FOUND':
      return `no event ${refusal.eventId} in this log`;
    case 'EVENT_REMOVED': {
      const { epoch, position } = refusal.place;
      return `event ${refusal.eventId} stood at ${epoch}/${position} and was removed from this log; a proof that was made before is as good as ever`;
    }
    case 'NOT_SIGNED_YET':
      return `the site has signed ${refusal.signedSize} events of epoch ${refusal.place.epoch}, not yet ${refusal.place.position}; it signs at least once a minute while it runs`;
    case 'CHECKPOINT_NOT_FOUND':
      return `the site keeps no checkpoint of ${refusal.place.position} events of epoch ${refusal.place.epoch}; the nearest are of ${refusal.nearest.join(' and ') || 'none'}`;
    case 'CHECKPOINT_OF_ANOTHER_LOG':
      return `the checkpoint is of site ${refusal.head.site}, epoch ${refusal.head.epoch}, which is not this log`;
    case 'DOES_NOT_CONTINUE':
      return `this log does NOT begin with the ${refusal.head.size} events of that checkpoint: either was not made by the site, or history was rewritten`;
  }
}

/** By its size, in this epoch or a named one, or the note in a file. */
function oldCheckpointOf(since: string): { readonly epoch: number | null; readonly size: number } | string {
  const [, epoch, size] = /^(?:([1-9][0-9]{0,3})\/)?([1-9][0-9]{0,12})$/.exec(since) ?? [];
  if (size === undefined) return readNamedFile(since, KEY_FILE_BYTES_MAX);
  return { epoch: epoch === undefined ? null : Number(epoch), size: Number(size) };
}

function keysIn(file: string): readonly TrustedKey[] {
  try {
    return readTrustedKeys(readNamedFile(file, KEY_FILE_BYTES_MAX));
  } catch (error) {
    if (!(error instanceof TrustedKeyError)) throw error;
    throw new WrongUseError(`--key ${file}: ${error.message}`, { cause: error });
  }
}

/** What a proof says is not ours: no character of it may steer a terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, character =>
    character === '\n' ? character : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function wrongUse(message: string): number {
  process.stderr.write(`holdfast: ${message}\n`);
  return EXIT_WRONG_USE;
}

/** Any number of milliseconds that an event may claim, also one beyond what a date can be. */
function iso(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? `${ms} ms after 1970` : date.toISOString();
}

function textOf(data: Uint8Array): string {
  return Buffer.from(data).toString('utf8');
}

/** The data as it was stored; as text where it is no JSON. */
function dataOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(textOf(data));
  } catch {
    return textOf(data);
  }
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
