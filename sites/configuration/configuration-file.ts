import { readFileSync } from 'node:fs';
import { type Document, isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';

/** One thing wrong with a configuration file. `line` and `column` are 1-based. */
export interface ConfigurationFault {
  readonly line: number;
  readonly column: number;
  /** Where, as a path: `parent.port`. Empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
}

export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly code = 'CONFIGURATION_WRONG';
  readonly file: string;
  readonly faults: readonly ConfigurationFault[];

  constructor(file: string, faults: readonly ConfigurationFault[]) {
    super(faults.map(fault => describeFault(file, fault)).join('\n'));
    this.file = file;
    this.faults = faults;
  }
}

export function describeFault(file: string, { line, column, path, message }: ConfigurationFault): string {
  return `${file}:${line}:${column}: ${path ? `${path}: ` : ''}${message}`;
}

/** Reads a YAML file and checks it strictly: an unknown setting is a fault. Throws `ConfigurationError`. */
export function readConfigurationFile<Schema extends z.ZodType>(
  file: string,
  schema: Schema,
): z.infer<Schema> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const message = `cannot be read: ${error instanceof Error ? error.message : error}`;
    throw new ConfigurationError(file, [{ line: 1, column: 1, path: '', message }]);
  }
  return parseConfiguration(file, text, schema);
}

export function parseConfiguration<Schema extends z.ZodType>(
  file: string,
  text: string,
  schema: Schema,
): z.infer<Schema> {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter });
  if (document.errors.length > 0) {
    throw new ConfigurationError(
      file,
      document.errors.map(error => ({
        ...position(lineCounter, error.pos[0]),
        path: '',
        message: error.message.split('\n')[0]!.replace(/ at line \d+, column \d+:?$/, ''),
      })),
    );
  }
  const parsed = schema.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  throw new ConfigurationError(
    file,
    parsed.error.issues.map(issue => ({
      ...position(lineCounter, offsetOf(document, settingOf(issue))),
      path: issue.path.join('.'),
      message: issue.message,
    })),
  );
}

/** Where in a file, that could be read, settings stand about which something else is wrong than how they are written. */
export function locateFaults(
  file: string,
  faults: readonly { readonly path: readonly PropertyKey[]; readonly message: string }[],
): readonly ConfigurationFault[] {
  if (faults.length === 0) return [];
  const lineCounter = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter });
  return faults.map(({ path, message }) => ({
    ...position(lineCounter, offsetOf(document, path)),
    ...{ path: path.join('.'), message },
  }));
}

function position(
  lineCounter: LineCounter,
  offset: number,
): { readonly line: number; readonly column: number } {
  const { line, col } = lineCounter.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function settingOf(issue: z.core.$ZodIssue): readonly PropertyKey[] {
  return issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path;
}

/** Where the value stands; for a missing one, where the nearest enclosing value begins. */
function offsetOf(document: Document.Parsed, path: readonly PropertyKey[]): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}
