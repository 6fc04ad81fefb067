import { setTimeout as wait } from 'node:timers/promises';
import { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError } from '../camera-session-error.js';
import type { CameraAccess, CameraCommands, Speaker } from '../driver.js';
import { openBackChannel } from '../rtsp/back-channel.js';
import { configuredOf, streamPlaceOf } from './onvif-address.js';
import { OnvifDevice, type OnvifProfile } from './onvif-device.js';

const STATUS_INTERVAL_MS = 500;
const LONGEST_WAY_MS = 5_000;

interface Opened {
  readonly device: OnvifDevice;
  /** The profile that can what is asked for. */
  readonly profile: string;
}

/** The address of its stream is asked of the camera; the loudspeaker is behind that. */
export async function openOnvifSpeaker(access: CameraAccess, signal: AbortSignal): Promise<Speaker> {
  const authorisation = new CameraAuthorisation(access);
  const { device, profile } = await open(access, authorisation, signal, ({ speaker }) => speaker);
  const named = await device.streamUri(profile, signal);
  const { address, withheldBecause } = await streamPlaceOf(named, configuredOf(access.address), signal);
  const forRtsp =
    withheldBecause === null ? authorisation.ofAnotherServer() : authorisation.withheld(withheldBecause);
  return openBackChannel({ ...access, address }, signal, forRtsp);
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
    savePreset: (name, signal) =>
      on(signal, ({ device, profile }) => device.setPreset(profile, { name }, signal)),
    renamePreset: (token, name, signal) =>
      on(signal, async ({ device, profile }) => {
        // ONVIF names a preset only where the camera stands.
        await device.goToPreset(profile, token, signal);
        await arrived(device, profile, signal);
        await device.setPreset(profile, { name, token }, signal);
      }),
    deletePreset: (token, signal) =>
      on(signal, ({ device, profile }) => device.removePreset(profile, token, signal)),
    setOutput: (token, active, signal) =>
      on(signal, ({ device }) => device.setRelayOutput(token, active, signal)),
  };
}

/** A camera that does not say whether it moves gets the time of the longest way. */
async function arrived(device: OnvifDevice, profile: string, signal: AbortSignal): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += STATUS_INTERVAL_MS) {
    // It begins to move a moment after it was told to.
    await wait(STATUS_INTERVAL_MS, undefined, { signal });
    const isMoving = await device.isMoving(profile, signal);
    if (isMoving === false || (isMoving === null && waitedMs >= LONGEST_WAY_MS)) return;
  }
}

async function open(
  { address, credentials, tlsAuthorities = [], now }: CameraAccess,
  authorisation: CameraAuthorisation,
  signal: AbortSignal,
  can: (profile: OnvifProfile) => boolean,
): Promise<Opened> {
  const { serviceAddress, profile: wanted } = configuredOf(address);
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
