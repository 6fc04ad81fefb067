import { setTimeout as wait } from 'node:timers/promises';
import { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError } from '../camera-session-error.js';
import type { CameraLoss, CameraSessionOptions, DeviceSignal, Driver, RunCameraSession } from '../driver.js';
import { keepConnected } from '../keep-connected.js';
import { streamOnce } from '../rtsp/camera-connection.js';
import { configuredOf, type StreamPlace, streamPlaceOf } from './onvif-address.js';
import { findCapabilities } from './onvif-capabilities.js';
import { openOnvifCommands, openOnvifSpeaker } from './onvif-commands.js';
import { OnvifDevice } from './onvif-device.js';

/** So late an event is told at most: half a second of pre-buffer. */
const PULL_EVERY_MS = 500;
/** Events are worth less than pictures: a camera that refuses them is asked again after this. */
const EVENTS_RETRY_MS = 60_000;
/** A camera has a handful of detectors and inputs. */
const ACTIVE_MAX = 256;
/** A good-bye that the camera does not answer must not hold up a stop. */
const GOODBYE_MS = 500;

/**
 * Asks the camera for its stream, records that by RTSP, and hands on what the camera notices. What may stand behind the address
 * of the device service: `ConfiguredAddress`.
 */
const run: RunCameraSession = (options, signal) => {
  const forHttp = new CameraAuthorisation(options);
  const forRtsp = new CameraAuthorisation(options);
  return keepConnected(options, signal, async attempt => {
    const found = await openStream(options, forHttp, signal);
    if (found === null || 'lossCause' in found) return found;
    const over = new AbortController();
    const within = AbortSignal.any([signal, over.signal]);
    const events = watchEvents(found.device, options, within);
    const asked = tellCapabilities(found.device, options, within);
    try {
      const { tlsAuthorities, transport = 'AUTO', now, random } = options;
      const { address, withheldBecause } = found.place;
      const authorisation = withheldBecause === null ? forRtsp : forRtsp.withheld(withheldBecause);
      const stream = { address, authorisation, tlsAuthorities, transport, now, random };
      return await streamOnce({ ...stream, ...attempt }, signal);
    } finally {
      over.abort();
      await Promise.all([events, asked]);
    }
  });
};

async function openStream(
  options: CameraSessionOptions,
  authorisation: CameraAuthorisation,
  signal: AbortSignal,
): Promise<{ readonly device: OnvifDevice; readonly place: StreamPlace } | CameraLoss | null> {
  const { credentials, tlsAuthorities = [], now } = options;
  const configured = configuredOf(options.address);
  const { serviceAddress, profile: wanted } = configured;
  try {
    const access = { address: serviceAddress, credentials, authorisation, tlsAuthorities, now };
    const device = await OnvifDevice.open(access, signal);
    const profiles = await device.profiles(signal);
    const profile = wanted === null ? profiles[0] : profiles.find(({ token }) => token === wanted);
    if (profile === undefined) {
      const offered = profiles.map(({ token }) => token).join(', ') || 'none with video';
      const words = `the camera has no profile ${wanted ?? 'with video'}; it has ${offered}`;
      return new CameraSessionError('STREAM_UNSUPPORTED', 'UNSUPPORTED_MEDIA', words);
    }
    const named = await device.streamUri(profile.token, signal);
    return { device, place: await streamPlaceOf(named, configured, signal) };
  } catch (fault) {
    if (signal.aborted) return null;
    if (fault instanceof CameraSessionError) return fault;
    throw fault;
  }
}

/** Beside the stream, which does not wait for it. Never rejects. */
async function tellCapabilities(
  device: OnvifDevice,
  { sink, address }: CameraSessionOptions,
  signal: AbortSignal,
): Promise<void> {
  if (sink.capabilitiesFound === undefined) return;
  const found = await findCapabilities(device, address, signal).catch(() => null);
  if (found !== null && !signal.aborted) sink.capabilitiesFound(found);
}

/** Until the signal aborts. Never rejects. */
async function watchEvents(
  device: OnvifDevice,
  options: CameraSessionOptions,
  signal: AbortSignal,
): Promise<void> {
  const { sink, random } = options;
  if (sink.deviceSignal === undefined || !device.has('tev')) return;
  while (!signal.aborted) {
    await pullUntilLost(device, options, signal);
    await wait(EVENTS_RETRY_MS * (0.5 + random() / 2), undefined, { signal }).catch(() => {});
  }
}

async function pullUntilLost(
  device: OnvifDevice,
  { sink, now }: CameraSessionOptions,
  signal: AbortSignal,
): Promise<void> {
  const active = new Map<string, DeviceSignal>();
  try {
    const point = await device.openPullPoint(signal);
    try {
      for (;;) {
        const askedAt = performance.now();
        for (const found of await point.pull(signal)) {
          const key = `${found.kind} ${found.source}`;
          if (found.active && active.size < ACTIVE_MAX) active.set(key, found);
          else active.delete(key);
          sink.deviceSignal?.(found, now());
        }
        // A camera that does not wait for something to tell is not asked as fast as it answers.
        await wait(Math.max(0, askedAt + PULL_EVERY_MS - performance.now()), undefined, { signal });
      }
    } finally {
      await point.close(AbortSignal.timeout(GOODBYE_MS)).catch(() => {});
    }
  } catch {
    // The stream tells whether the camera is there; without events it is recorded all the same.
  } finally {
    // Nobody will say any more that it is over.
    for (const found of active.values()) sink.deviceSignal?.({ ...found, active: false, atMs: null }, now());
  }
}

export const onvifDriver: Driver = {
  name: 'onvif',
  capabilities: { sound: true, transports: true },
  run,
  openCommands: openOnvifCommands,
  openSpeaker: openOnvifSpeaker,
};
