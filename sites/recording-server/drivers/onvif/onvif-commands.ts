import { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError } from '../camera-session-error.js';
import type { CameraAccess, CameraCommands, Speaker } from '../driver.js';
import { openBackChannel } from '../rtsp/back-channel.js';
import { profileAddress } from './onvif-capabilities.js';
import { OnvifDevice, type OnvifProfile } from './onvif-device.js';

interface Opened {
  readonly device: OnvifDevice;
  /** The profile that can what is asked for. */
  readonly profile: string;
}

/** The address of its stream is asked of the camera; the loudspeaker is behind that. */
export async function openOnvifSpeaker(access: CameraAccess, signal: AbortSignal): Promise<Speaker> {
  const { device, profile } = await open(
    access,
    new CameraAuthorisation(access),
    signal,
    ({ speaker }) => speaker,
  );
  return openBackChannel({ ...access, address: await device.streamUri(profile, signal) }, signal);
}

/** Tells an ONVIF camera what to do. It is opened with the first request, and anew after a failure. */
export function openOnvifCommands(access: CameraAccess): CameraCommands {
  const authorisation = new CameraAuthorisation(access);
  let opened: Promise<Opened> | null = null;
  const on = async <Result>(
    signal: AbortSignal,
    ask: (opened: Opened) => Promise<Result>,
  ): Promise<Result> => {
    opened ??= open(access, authorisation, signal, ({ ptz }) => ptz);
    const mine = opened;
    try {
      return await ask(await mine);
    } catch (fault) {
      if (opened === mine) opened = null;
      throw fault;
    }
  };
  return {
    move: ({ pan, tilt, zoom }, signal) =>
      on(signal, ({ device, profile }) => device.move(profile, { pan, tilt, zoom }, signal)),
    stop: signal => on(signal, ({ device, profile }) => device.stop(profile, signal)),
    presets: signal => on(signal, ({ device, profile }) => device.presets(profile, signal)),
    goToPreset: (token, signal) =>
      on(signal, ({ device, profile }) => device.goToPreset(profile, token, signal)),
    setOutput: (token, active, signal) =>
      on(signal, ({ device }) => device.setRelayOutput(token, active, signal)),
  };
}

async function open(
  { address, credentials, tlsAuthorities = [], now }: CameraAccess,
  authorisation: CameraAuthorisation,
  signal: AbortSignal,
  can: (profile: OnvifProfile) => boolean,
): Promise<Opened> {
  const { serviceAddress, profile: wanted } = profileAddress(address);
  const device = await OnvifDevice.open(
    { address: serviceAddress, credentials, authorisation, tlsAuthorities, now },
    signal,
  );
  const profiles = await device.profiles(signal);
  const able = profiles.filter(can);
  const profile = able.find(({ token }) => token === wanted) ?? able[0] ?? profiles[0];
  if (profile !== undefined) return { device, profile: profile.token };
  throw new CameraSessionError(
    'STREAM_UNSUPPORTED',
    'UNSUPPORTED_MEDIA',
    'the camera has no profile with video',
  );
}
