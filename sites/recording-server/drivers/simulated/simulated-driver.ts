import { type AccessUnit, Fragmenter, parseSequenceParameterSet, type StreamFormat } from '@holdfast/core';
import type { HardwareCapabilities } from '@holdfast/schema';
import type { ServedAccessUnit } from '../../../rtsp-server/media-provider.js';
import { isPps, isSps } from '../../../simulated-cameras/annex-b.js';
import { type Clip, loadClip } from '../../../simulated-cameras/clip.js';
import { LoopedCamera } from '../../../simulated-cameras/looped-camera.js';
import { simulatedScene } from '../../../simulated-cameras/simulated-scene.js';
import { CameraSessionError } from '../camera-session-error.js';
import type { CameraAccess, CameraCommands, CameraLoss, CameraSessionOptions, Driver } from '../driver.js';
import { type ConnectionAttempt, keepConnected } from '../keep-connected.js';
import { DOOR, type SimulatedDevice, type SimulatedDevices } from './simulated-devices.js';

/** As `CaptureClock` of core has it. */
const CLOCK_STEP_MS = 1_000;
const CLOCK_WATCH_MS = 1_000;
const NAL_TYPE_IDR = 5;
const NAL_TYPE_DELIMITER = 9;

/**
 * Cameras for trying things out where there are none: no network, no RTSP, and from there on everything is real. The address
 * is `simulated:NAME`, or `simulated:NAME/ANYTHING` for several that show the same.
 */
export function simulatedDriver(devices: SimulatedDevices): Driver {
  return {
    name: 'simulated',
    capabilities: { sound: true, transports: false },
    run: (options, signal) =>
      keepConnected(options, signal, attempt => streamOnce(devices, options, attempt, signal)),
    openCommands: access => commandsOf(devices, access),
  };
}

/** Turned, or after a step of the clock, it goes on showing. */
type ShowEnd = 'TURNED' | 'CLOCK_STEPPED' | 'UNPLUGGED' | 'ABORTED';

async function streamOnce(
  devices: SimulatedDevices,
  options: CameraSessionOptions,
  attempt: ConnectionAttempt,
  signal: AbortSignal,
): Promise<CameraLoss | null> {
  try {
    const device = devices.at(options.address);
    device.admit(options.credentials);
    for (let isFirst = true; ; isFirst = false) {
      const clip = await loadClip(device.clip);
      if (isFirst) options.sink.capabilitiesFound?.(capabilitiesOf(options.address, formatOf(clip)));
      const ended = await showClip(device, { clip, options, attempt }, signal);
      if (ended === 'ABORTED') return null;
      if (ended === 'UNPLUGGED') {
        return new CameraSessionError('CONNECTION_CLOSED', 'CLOSED', 'the simulated camera was unplugged');
      }
    }
  } catch (fault) {
    if (fault instanceof CameraSessionError) return fault;
    throw fault;
  }
}

async function showClip(
  device: SimulatedDevice,
  shown: { readonly clip: Clip; readonly options: CameraSessionOptions; readonly attempt: ConnectionAttempt },
  signal: AbortSignal,
): Promise<ShowEnd> {
  const { clip, options, attempt } = shown;
  const { sink, now } = options;
  // Pictures are evenly spaced, whatever is done to the wall clock; where they stand on it is looked after below.
  const anchorMs = now() - performance.now();
  const clock = () => anchorMs + performance.now();
  using camera = new LoopedCamera({
    ...{ name: options.address, clip, startMs: clock(), describe: simulatedScene, now: clock },
  });
  const fragmenter = new Fragmenter(attempt.output);
  const format = formatOf(clip);
  const { promise, resolve } = Promise.withResolvers<ShowEnd>();
  const aborted = () => resolve('ABORTED');
  signal.addEventListener('abort', aborted, { once: true });
  using _session = device.attach({
    turned: () => resolve('TURNED'),
    unplugged: () => resolve('UNPLUGGED'),
    signal: found => sink.deviceSignal?.(found, now()),
  });
  const watch = setInterval(() => {
    if (Math.abs(clock() - now()) > CLOCK_STEP_MS) resolve('CLOCK_STEPPED');
  }, CLOCK_WATCH_MS);
  const stop = camera.subscribe(served => {
    for (const unit of served) {
      const access = accessUnitOf(unit, camera.tracks.length, now());
      if (fragmenter.format === null && access.track === 'VIDEO' && access.keyFrame) fragmenter.begin(format);
      fragmenter.push(access);
    }
  });
  const ended = signal.aborted ? 'ABORTED' : await promise;
  stop();
  clearInterval(watch);
  signal.removeEventListener('abort', aborted);
  const ownCause = ended === 'TURNED' ? 'CAMERA_FORMAT_SWITCHED' : ended === 'CLOCK_STEPPED' ? ended : null;
  fragmenter.end(ownCause ?? attempt.endCause());
  return ended;
}

function formatOf(clip: Clip): StreamFormat & { readonly video: { width: number; height: number } } {
  const { sps, pps, audio } = clip;
  const { width, height } = parseSequenceParameterSet(sps)!;
  return {
    video: { codec: 'H264', width, height, sps, pps },
    audio: audio && { codec: 'AAC', ...audio },
    metadata: true,
  };
}

/** Tracks of a `LoopedCamera`: pictures first, metadata last, sound between them where there is any. */
function accessUnitOf(
  { trackIndex, ticks, units }: ServedAccessUnit,
  trackCount: number,
  arrivalMs: number,
): AccessUnit {
  const common = { ticks, arrivalMs, timeSource: 'SENDER_REPORT' } as const;
  if (trackIndex === 0) {
    const kept = units.filter(unit => !isSps(unit) && !isPps(unit) && (unit[0]! & 31) !== NAL_TYPE_DELIMITER);
    const parts = kept.flatMap(unit => [lengthOf(unit), unit]);
    const keyFrame = kept.some(unit => (unit[0]! & 31) === NAL_TYPE_IDR);
    return { ...common, track: 'VIDEO', keyFrame, parts, byteLength: byteLengthOf(parts) };
  }
  const track = trackIndex === trackCount - 1 ? 'METADATA' : 'AUDIO';
  return { ...common, track, keyFrame: true, parts: units, byteLength: byteLengthOf(units) };
}

function lengthOf(unit: Uint8Array): Uint8Array {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(unit.length);
  return prefix;
}

function byteLengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function capabilitiesOf(
  address: string,
  { video: { width, height }, audio }: ReturnType<typeof formatOf>,
): HardwareCapabilities {
  return {
    ...{ manufacturer: 'Holdfast', model: 'Simulated camera', firmwareVersion: '' },
    streams: [{ name: 'main', address, encoding: 'H264', width, height }],
    ...{ ptz: true, outputs: [DOOR], metadata: true, speaker: false, audio: audio?.codec ?? '' },
  };
}

/** Its presets are the clips, until somebody saves others. */
function commandsOf(devices: SimulatedDevices, { address, credentials }: CameraAccess): CameraCommands {
  const reached = async () => {
    const device = devices.at(address);
    device.admit(credentials);
    return device;
  };
  return {
    // The pictures are what they are: it only answers.
    move: async () => void (await reached()),
    stop: async () => void (await reached()),
    presets: async () => {
      const { presets } = await reached();
      return [...presets].map(([token, { name }]) => ({ token, name }));
    },
    goToPreset: async token => {
      const device = await reached();
      device.turnTo(device.presetAt(token).clip);
    },
    savePreset: async name => (await reached()).savePreset(name),
    renamePreset: async (token, name) => {
      const device = await reached();
      device.presets.set(token, { ...device.presetAt(token), name });
    },
    deletePreset: async token => {
      const device = await reached();
      device.presetAt(token);
      device.presets.delete(token);
    },
    setOutput: async (token, active) => {
      const device = await reached();
      if (token !== DOOR) throw new CameraSessionError('STATUS', 'NOT_FOUND', `there is no output ${token}`);
      device.open(active);
    },
  };
}
