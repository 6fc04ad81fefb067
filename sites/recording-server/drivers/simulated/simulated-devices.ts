import { type ClipName, clipNames } from '../../../simulated-cameras/clip.js';
import { CameraSessionError } from '../camera-session-error.js';
import type { CameraCredentials, DeviceSignal } from '../driver.js';

/** A recording server has no more cameras. */
const DEVICES_MAX = 1024;
/** The relay of a simulated device opens a door, whose contact is its input. */
export const DOOR = 'door';
const PRESETS_MAX = 100;

/** By address, made when they are first spoken to. */
export class SimulatedDevices {
  readonly #devices = new Map<string, SimulatedDevice>();

  /** Throws `CameraSessionError`: there is no such device. */
  at(address: string): SimulatedDevice {
    const known = this.#devices.get(address);
    if (known) return known;
    const shown = /^simulated:([a-z0-9-]+)/.exec(address)?.[1];
    const clip = clipNames.find(name => name === shown);
    if (clip === undefined || this.#devices.size >= DEVICES_MAX) {
      const words = `there is no simulated camera ${shown}; there are ${clipNames.join(', ')}`;
      throw new CameraSessionError('STATUS', 'NOT_FOUND', words);
    }
    const device = new SimulatedDevice(clip);
    this.#devices.set(address, device);
    return device;
  }
}

export interface SimulatedSession {
  readonly turned: () => void;
  readonly unplugged: () => void;
  readonly signal: (signal: DeviceSignal) => void;
}

/** What is left of a camera when there is none. It is turned by showing another clip. */
export class SimulatedDevice {
  readonly #sessions = new Set<SimulatedSession>();
  /** By token: what it shows there. At first, what there is to see. */
  readonly presets = new Map<string, { readonly name: string; readonly clip: ClipName }>(
    clipNames.map(clip => [clip, { name: clip.replace('-', ' '), clip }]),
  );
  #clip: ClipName;
  #isPlugged = true;
  #credentials: CameraCredentials | null = null;
  #savedCount = 0;

  constructor(clip: ClipName) {
    this.#clip = clip;
  }

  get clip(): ClipName {
    return this.#clip;
  }

  /** Null ends it. */
  protect(credentials: CameraCredentials | null): void {
    this.#credentials = credentials;
  }

  plug(): void {
    this.#isPlugged = true;
  }

  unplug(): void {
    this.#isPlugged = false;
    for (const session of [...this.#sessions]) session.unplugged();
  }

  /** Throws `CameraSessionError`, as a network or a camera would refuse. */
  admit(credentials: CameraCredentials | null): void {
    if (!this.#isPlugged) {
      throw new CameraSessionError('CONNECT_FAILED', 'REFUSED', 'the simulated camera is unplugged');
    }
    if (this.#credentials === null) return;
    if (credentials === null) {
      const words = 'the camera asks for a user name and password and none are configured';
      throw new CameraSessionError('CREDENTIALS_NEEDED', 'UNAUTHORIZED', words);
    }
    const { userName, password } = this.#credentials;
    if (credentials.userName === userName && credentials.password === password) return;
    const words = `the camera refuses the user name and password (user ${credentials.userName})`;
    throw new CameraSessionError('CREDENTIALS_REFUSED', 'UNAUTHORIZED', words);
  }

  attach(session: SimulatedSession): Disposable {
    this.#sessions.add(session);
    return { [Symbol.dispose]: () => void this.#sessions.delete(session) };
  }

  /** Where it stands now. Gives its token. */
  savePreset(name: string): string {
    if (this.presets.size >= PRESETS_MAX) {
      throw new CameraSessionError('STATUS', 'REFUSED', `it has ${PRESETS_MAX} presets, which is the most`);
    }
    this.#savedCount += 1;
    const token = `saved-${this.#savedCount}`;
    this.presets.set(token, { name, clip: this.#clip });
    return token;
  }

  /** Throws `CameraSessionError`: there is no such preset. */
  presetAt(token: string): { readonly name: string; readonly clip: ClipName } {
    const preset = this.presets.get(token);
    if (preset !== undefined) return preset;
    throw new CameraSessionError('STATUS', 'NOT_FOUND', `there is no preset ${token}`);
  }

  turnTo(clip: ClipName): void {
    this.#clip = clip;
    for (const session of [...this.#sessions]) session.turned();
  }

  /** The door opens, and its contact says so. */
  open(active: boolean): void {
    const signal: DeviceSignal = { kind: 'INPUT', source: `${DOOR} contact`, active, atMs: null };
    for (const session of this.#sessions) session.signal(signal);
  }
}
