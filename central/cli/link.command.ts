import path from 'node:path';
import { type LinkShapeRequest, linkControlClient } from '@holdfast/interconnect';
import { planFile, readPlan } from '../demonstration/demonstration-plan.js';
import { readNamedFile, TRACE_BYTES_MAX } from './named-file.js';
import { EXIT_NO, EXIT_WRONG_USE } from './process-lifetime.js';

export interface LinkCommandOptions {
  readonly data: string;
  readonly trace?: string;
  readonly megabits?: number;
  readonly delayMs?: number;
}

/** `holdfast link cut|restore|shape SITE`. Returns the exit code. */
export async function linkCommand(
  action: 'cut' | 'restore' | 'shape',
  site: string,
  options: LinkCommandOptions,
): Promise<number> {
  const directory = path.resolve(options.data);
  const plan = readPlan(directory);
  if (plan?.linkControlUrl == null) {
    return wrongUse(`${planFile(directory)}: no demonstration there; name its folder with --data DIR`);
  }
  const target = plan.sites.find(candidate => candidate.id === site || candidate.name === site);
  if (!target) {
    const known = plan.sites.map(({ id, name }) => `${id} (${name})`).join(', ');
    return wrongUse(`no site ${site}; the demonstration has ${known}`);
  }
  const shape = requestedShape(options);
  if (action === 'shape' && shape === null)
    return wrongUse('link shape: give --trace FILE, or --megabits N, with or without --delay-ms N');
  const client = linkControlClient({ url: plan.linkControlUrl, token: plan.token });
  try {
    if (action === 'cut') await client.cut(target.id);
    else if (action === 'restore') await client.restore(target.id);
    else await client.shape(target.id, shape);
  } catch (error) {
    process.stderr.write(`holdfast: ${error instanceof Error ? error.message : error}\n`);
    return EXIT_NO;
  }
  const done = { cut: 'cut', restore: 'restored', shape: 'shaped' }[action];
  process.stdout.write(`the link of ${target.name} is ${done}\n`);
  return 0;
}

function requestedShape({ trace, megabits, delayMs }: LinkCommandOptions): LinkShapeRequest {
  const delay = delayMs === undefined ? {} : { delayMs };
  if (trace !== undefined) return { traceCsv: readNamedFile(trace, TRACE_BYTES_MAX), ...delay };
  return megabits === undefined ? null : { bandwidthBitsPerSecond: megabits * 1e6, ...delay };
}

function wrongUse(message: string): number {
  process.stderr.write(`holdfast: ${message}\n`);
  return EXIT_WRONG_USE;
}
