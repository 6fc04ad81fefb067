import { lookup } from 'node:dns/promises';
import { untilAborted } from '../../../until-aborted.js';

/** A name that is not found by then is not found. */
const LOOKUP_MS = 3_000;

export interface ConfiguredAddress {
  /** Of the device service. */
  readonly serviceAddress: string;
  /** Null: the camera's first one with video. */
  readonly profile: string | null;
  /** Where its streams are, whatever address the camera names. Null: at the address that it names. */
  readonly streamHost: string | null;
}

/** `?profile=TOKEN` behind the address of a device service names a profile, `streamHost=HOST` where its streams are. */
export function configuredOf(address: string): ConfiguredAddress {
  const url = new URL(address);
  const { searchParams } = url;
  const [profile, streamHost] = [searchParams.get('profile'), searchParams.get('streamHost')];
  searchParams.delete('profile');
  searchParams.delete('streamHost');
  return { serviceAddress: url.href, profile, streamHost };
}

export interface StreamPlace {
  readonly address: string;
  /** Null: it is on a host that was configured. Else why no user name and password are sent there. */
  readonly withheldBecause: string | null;
}

/**
 * Where a stream is whose address the camera has named. User name and password are for the host that was configured: whoever
 * has taken over a camera, or answers in its stead, must not have them sent to another by naming it.
 */
export async function streamPlaceOf(
  named: string,
  { serviceAddress, streamHost }: ConfiguredAddress,
  signal: AbortSignal,
): Promise<StreamPlace> {
  const configuredHost = hostOf(serviceAddress);
  const namedHost = hostOf(named);
  if (streamHost !== null) return { address: withHost(named, streamHost), withheldBecause: null };
  if (namedHost === configuredHost) return { address: named, withheldBecause: null };
  // Spoken to by the name that was configured: what the other one leads to may be another a moment later.
  if (await leadToTheSame(namedHost, configuredHost, signal)) {
    return { address: withHost(named, configuredHost), withheldBecause: null };
  }
  const withheldBecause =
    `the camera names its stream at ${namedHost}, which asks for a user name and password; they are configured for ${configuredHost} ` +
    `and are not sent elsewhere. If its stream is there, add streamHost=${namedHost} to the query of its address`;
  return { address: named, withheldBecause };
}

/** In small letters: the hosts of `rtsp:` are left as they were written. */
function hostOf(address: string): string {
  return new URL(address).hostname.toLowerCase();
}

function withHost(address: string, host: string): string {
  const url = new URL(address);
  url.hostname = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return url.href;
}

async function leadToTheSame(one: string, other: string, signal: AbortSignal): Promise<boolean> {
  const [first, second] = await Promise.all([one, other].map(host => networkAddressesOf(host, signal)));
  return [...first!].some(address => second!.has(address));
}

/** None: it is not known. */
async function networkAddressesOf(host: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  const looking = lookup(host.replace(/^\[(.*)\]$/, '$1'), { all: true }).then(
    answers => {
      for (const { address } of answers) found.add(address);
    },
    () => undefined,
  );
  await untilAborted(looking, AbortSignal.any([signal, AbortSignal.timeout(LOOKUP_MS)]));
  return found;
}
