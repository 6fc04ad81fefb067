import type { Fragment, InitSegment } from '@holdfast/core';
import type {
  CameraPreset,
  CameraTransport,
  ConnectionLossCause,
  DriverName,
  HardwareCapabilities,
  RecordingCause,
} from '@holdfast/schema';

/**
 * Where one camera's session puts what it receives. Calls are synchronous, never overlap, and come in this order:
 *
 * `connected` → ( `format` → ( `liveFragment` | `recordedFragment` )* → `runEnded` )* → `connectionLost` → `connected` …
 *
 * A run is a stretch of media with one stream format and one clock: every fragment in it begins where the one before ended.
 * `format` opens a run, `runEnded` closes it, and between the two `recordedFragment` has got everything: the last, possibly
 * short, group of pictures is handed over before `runEnded`. A sink must not block and must not throw: what it throws
 * ends the session as a fault.
 */
export interface CameraSink {
  /** The camera plays and its first picture has arrived. */
  connected(atMs: number): void;
  /** A run begins. What follows is decoded with this. */
  format(init: InitSegment): void;
  /**
   * One picture (and the audio that came with it), as soon as it is complete. Its `bytes` are built when first read. This
   * and `recordedFragment` hand over the fragment: the sink releases it once it is done with it.
   */
  liveFragment(fragment: Fragment): void;
  /** One group of pictures: for the media database. Always begins with a key frame, unless a group was cut at its bound. */
  recordedFragment(fragment: Fragment): void;
  /** `atMs`: capture time at which the run ended, exclusive (the `toMs` of its last fragment). */
  runEnded(cause: RecordingCause, atMs: number): void;
  /** Access units that could not be put together again (sequence gap, cut off, over the bound). */
  accessUnitsLost(count: number, atMs: number): void;
  /**
   * Called once for each connection that was lost, and, while the camera stays away, only when the cause changes: a camera
   * that is unplugged for a week is one call, not one per attempt. `detail`: one sentence for a person.
   */
  connectionLost(cause: ConnectionLossCause, detail: string, atMs: number): void;
  /** The camera itself has noticed something, or notices it no longer. At any time, also while no run is open. */
  deviceSignal?(signal: DeviceSignal, atMs: number): void;
  /** What the camera says that it can, at most once for each connection. Not asked for a sink without it. */
  capabilitiesFound?(capabilities: HardwareCapabilities): void;
}

export interface DeviceSignal {
  readonly kind: 'MOTION' | 'INPUT';
  /** Which of the camera's detectors or inputs, as it calls them. */
  readonly source: string;
  readonly active: boolean;
  /** By the camera's clock; `null`: it does not say. */
  readonly atMs: number | null;
}

export interface CameraCredentials {
  readonly userName: string;
  readonly password: string;
}

export interface CameraLimits {
  /** Without a packet of video for so long, the connection is given up. */
  readonly noMediaMs: number;
  /** With packets, and without a picture that can be recorded, likewise. */
  readonly noPictureMs: number;
  /** With pictures, and without a key frame, likewise: asked again, most cameras begin with one. */
  readonly noKeyFrameMs: number;
  readonly backOffMsFirst: number;
  readonly backOffMsMax: number;
  /** After a refused user name or password, at the earliest. */
  readonly refusedBackOffMsMin: number;
}

export const CAMERA_LIMITS: CameraLimits = {
  // No camera pauses so long between two packets of video.
  noMediaMs: 10_000,
  // Key frames further apart than this cannot be recorded usefully.
  noPictureMs: 30_000,
  // Cameras that stretch their groups of pictures when nothing moves send a key frame once a minute.
  noKeyFrameMs: 120_000,
  // A camera that restarts takes half a minute; a hundred cameras behind one switch must not come back in one moment.
  backOffMsFirst: 1_000,
  backOffMsMax: 60_000,
  // Cameras lock an account after a few wrong passwords.
  refusedBackOffMsMin: 30_000,
};

export interface CameraSessionOptions {
  /** URL of a scheme of the driver, without user name and password. */
  readonly address: string;
  readonly credentials: CameraCredentials | null;
  readonly sink: CameraSink;
  /** AUTO unless told otherwise. */
  readonly transport?: CameraTransport;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Uniform in [0, 1): for back-off and client nonces. */
  readonly random: () => number;
  /** For TLS. Cameras nearly always carry self-signed certificates, so the default accepts any. */
  readonly tlsAuthorities?: readonly string[];
  /** Those of `CAMERA_LIMITS` unless told otherwise. */
  readonly limits?: CameraLimits;
}

/**
 * Runs one camera for ever: connect, stream, report the loss, wait, connect again. Returns when `signal` aborts, after
 * `runEnded`. The cause given there is `signal.reason` if that is a `RecordingCause`
 * (`controller.abort('RECORDING_DISABLED')`), else `SERVER_STOPPED`.
 */
export type RunCameraSession = (options: CameraSessionOptions, signal: AbortSignal) => Promise<void>;

/** Speaks to one kind of cameras. Every driver keeps what `CameraSink` promises: see the conformance suite. */
export interface Driver {
  readonly name: DriverName;
  readonly capabilities: DriverCapabilities;
  readonly run: RunCameraSession;
  /** For drivers that can tell a camera something beside its pictures. Nothing is sent before the first call. */
  readonly openCommands?: (options: CameraAccess) => CameraCommands;
  /** For drivers that can speak through a camera. Throws `CameraSessionError`, or the signal's reason. */
  readonly openSpeaker?: (options: CameraAccess, signal: AbortSignal) => Promise<Speaker>;
}

/** The loudspeaker of a camera, open. Closing it frees it for others. */
export interface Speaker extends AsyncDisposable {
  /** G.711 µ-law, 8,000 samples a second, as it is spoken. Never waits. */
  say(sound: Uint8Array): void;
  /** The camera hears no more: why. Never rejects; pending as long as it hears. */
  readonly lost: Promise<Error>;
}

export type CameraAccess = Pick<
  CameraSessionOptions,
  'address' | 'credentials' | 'tlsAuthorities' | 'now' | 'random'
>;

/** What a camera is told and asked. Every call throws `CameraSessionError`, or the signal's reason. */
export interface CameraCommands {
  /** Until it is stopped. Each from -1 to 1: to the right, up, and nearer. */
  move(velocity: PtzVelocity, signal: AbortSignal): Promise<void>;
  stop(signal: AbortSignal): Promise<void>;
  presets(signal: AbortSignal): Promise<readonly CameraPreset[]>;
  goToPreset(token: string, signal: AbortSignal): Promise<void>;
  /** Where it stands now. Gives its token. */
  savePreset(name: string, signal: AbortSignal): Promise<string>;
  /** Cameras that can name a preset only where they stand go there first. */
  renamePreset(token: string, name: string, signal: AbortSignal): Promise<void>;
  deletePreset(token: string, signal: AbortSignal): Promise<void>;
  setOutput(token: string, active: boolean, signal: AbortSignal): Promise<void>;
}

export interface PtzVelocity {
  readonly pan: number;
  readonly tilt: number;
  readonly zoom: number;
}

export interface DriverCapabilities {
  readonly sound: boolean;
  /** It heeds the hardware's `transport`. */
  readonly transports: boolean;
}

/** Why a connection came to nothing or was lost: `message` is one sentence for a person. */
export interface CameraLoss {
  readonly lossCause: ConnectionLossCause;
  readonly message: string;
}
