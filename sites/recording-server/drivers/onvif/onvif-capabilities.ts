import { CameraAddress, HardwareCapabilities } from '@holdfast/schema';
import { CameraSessionError } from '../camera-session-error.js';
import { configuredOf } from './onvif-address.js';
import type { OnvifDevice } from './onvif-device.js';

/** What the camera says of itself. What it does not answer to, it cannot. */
export async function findCapabilities(
  device: OnvifDevice,
  address: string,
  signal: AbortSignal,
): Promise<HardwareCapabilities> {
  const information = await device.information(signal);
  const profiles = await device.profiles(signal);
  const outputs = await device.relayOutputs(signal).catch(unanswered);
  const { serviceAddress, streamHost } = configuredOf(address);
  const streams = profiles.flatMap(({ token, name, encoding, width, height }) => {
    const url = new URL(serviceAddress);
    url.searchParams.set('profile', token);
    if (streamHost !== null) url.searchParams.set('streamHost', streamHost);
    // A token may be as long as the camera likes.
    if (!CameraAddress.safeParse(url.href).success) return [];
    return { name: text(name || token), address: url.href, encoding: text(encoding), ...{ width, height } };
  });
  return HardwareCapabilities.parse({
    manufacturer: text(information.manufacturer),
    model: text(information.model),
    firmwareVersion: text(information.firmwareVersion),
    streams: streams.slice(0, 32).map(stream => ({
      ...stream,
      width: pixels(stream.width),
      height: pixels(stream.height),
    })),
    ptz: device.has('tptz') && profiles.some(profile => profile.ptz),
    outputs: outputs.filter(token => token !== '' && token.length <= 200).slice(0, 64),
    metadata: profiles.some(profile => profile.metadata),
    speaker: profiles.some(profile => profile.speaker),
    audio: text(profiles.find(profile => profile.audio !== '')?.audio ?? ''),
  });
}

function text(said: string): string {
  return said.slice(0, 200);
}

function pixels(said: number): number {
  return Number.isSafeInteger(said) && said > 0 ? said : 0;
}

function unanswered(fault: unknown): readonly string[] {
  if (fault instanceof CameraSessionError) return [];
  throw fault;
}
