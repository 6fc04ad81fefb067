import { networkInterfaces } from 'node:os';
import { discoverDevices } from '@holdfast/sites';
import { processLifetime } from './process-lifetime.js';
import { WrongUseError } from './wrong-use-error.js';

export interface DiscoverCommandOptions {
  readonly seconds: number;
  readonly from?: string;
  readonly json?: boolean;
}

/** Asks the network for ONVIF devices: their addresses are what hardware of the driver `onvif` is added with. */
export async function discoverCommand({ seconds, from, json }: DiscoverCommandOptions): Promise<number> {
  const own = Object.values(networkInterfaces()).flatMap(addresses => addresses ?? []);
  if (from !== undefined && !own.some(({ address }) => address === from)) {
    const known = own.filter(({ family }) => family === 'IPv4').map(({ address }) => address);
    throw new WrongUseError(`--from ${from}: no interface has this address; there are ${known.join(', ')}`);
  }
  const devices = await discoverDevices({
    ...{ waitMs: seconds * 1000, signal: processLifetime() },
    ...(from === undefined ? {} : { localAddress: from }),
  });
  if (json) process.stdout.write(`${JSON.stringify({ devices })}\n`);
  else
    for (const { address, name, hardware } of devices)
      process.stdout.write(`${address}  ${[name, hardware].filter(text => text !== '').join(', ')}\n`);
  if (devices.length === 0)
    process.stderr.write(
      `no ONVIF device has answered within ${seconds} s: is this the cameras' network? (--from names an interface)\n`,
    );
  return devices.length === 0 ? 1 : 0;
}
