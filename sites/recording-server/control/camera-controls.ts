import {
  type CameraControlOptions,
  type CameraRefusalCode,
  CameraRefusedError,
  type Hardware,
  type Speech,
} from '@holdfast/core';
import {
  CameraAnswer,
  CameraPreset,
  type CameraRequest,
  type DeviceId,
  type HardwareCapabilities,
  type HardwareId,
  type HardwareSignalEvent,
  type HoldfastEvent,
  type RecordingServerId,
} from '@holdfast/schema';
import type { CameraAccess, CameraCommands, CameraCredentials } from '../drivers/driver.js';
import { driverOf } from '../drivers/driver-registry.js';
import { recordingDeviceOf } from '../recorder/site-view.js';
import { PtzMovement } from './ptz-movement.js';
import { type PtzAsker, PtzSessions } from './ptz-session.js';
import { Speeches } from './speeches.js';

/** A camera that has not answered by then does not answer. */
const CAMERA_WAIT_MS = 8_000;
const PRESETS_MAX = 500;

export interface CameraControlsOptions {
  readonly recordingServerId: RecordingServerId;
  /** Null: this server does not have it. */
  readonly hardwareWith: (deviceId: DeviceId) => NonNullable<Hardware> | null;
  /** Null: the camera has not said. */
  readonly capabilitiesOf: (hardwareId: HardwareId) => HardwareCapabilities | null;
  readonly openCredentials: (sealed: string) => CameraCredentials;
  readonly report: (stream: string, event: HoldfastEvent) => void;
  readonly now: () => number;
  readonly random: () => number;
}

interface Controlled {
  readonly key: string;
  readonly commands: CameraCommands;
  readonly movement: PtzMovement;
}

/** Tells the cameras of a recording server what people want of them. */
export class CameraControls {
  readonly #options: CameraControlsOptions;
  readonly #controlled = new Map<HardwareId, Controlled>();
  /** They outlast what is changed about a camera. */
  readonly #ptz = new Map<HardwareId, PtzSessions>();
  readonly #speeches: Speeches;

  constructor(options: CameraControlsOptions) {
    this.#options = options;
    this.#speeches = new Speeches(options);
  }

  /** As `CameraControl` of core. */
  async control(
    deviceId: DeviceId,
    request: CameraRequest,
    { askedBy, signal }: CameraControlOptions,
  ): Promise<CameraAnswer> {
    const hardware = this.#hardwareWith(deviceId);
    this.#refuseWhatItCannot(hardware, request);
    try {
      const session = this.#settlePtz(hardware, request, askedBy);
      if (session !== null) return session;
      const within = AbortSignal.any([signal, AbortSignal.timeout(CAMERA_WAIT_MS)]);
      const answer = await this.#ask(this.#controlledOf(hardware), request, within);
      const done = signalOf(request, answer, askedBy);
      if (done !== null) this.#report(hardware, done);
      return answer;
    } catch (error) {
      throw refusalOf(hardware, error);
    }
  }

  /** As `CameraControl` of core. */
  async speak(deviceId: DeviceId, { askedBy, signal }: CameraControlOptions): Promise<Speech> {
    const hardware = this.#hardwareWith(deviceId);
    const { openSpeaker } = driverOf(hardware.driver);
    const capabilities = this.#options.capabilitiesOf(hardware.hardwareId);
    if (openSpeaker === undefined || capabilities?.speaker === false) {
      throw new CameraRefusedError('CAMERA_CANNOT', `${hardware.name} has no loudspeaker`);
    }
    try {
      const within = AbortSignal.any([signal, AbortSignal.timeout(CAMERA_WAIT_MS)]);
      const open = () => openSpeaker(this.#accessTo(hardware), within);
      return await this.#speeches.begin(hardware, askedBy, open);
    } catch (error) {
      throw refusalOf(hardware, error);
    }
  }

  #hardwareWith(deviceId: DeviceId): NonNullable<Hardware> {
    const hardware = this.#options.hardwareWith(deviceId);
    if (hardware !== null) return hardware;
    throw new CameraRefusedError('NO_SUCH_DEVICE', `this recording server has no device ${deviceId}`);
  }

  /** Who turns it. The answer of what is asked of that alone; null: the camera is to be asked. Throws `CameraRefusedError`. */
  #settlePtz(hardware: NonNullable<Hardware>, request: CameraRequest, askedBy: string): CameraAnswer | null {
    const ptz = this.#ptzOf(hardware);
    const asker: PtzAsker = { askedBy, priority: 'priority' in request ? request.priority : undefined };
    switch (request.kind) {
      case 'LIST_PRESETS':
      case 'SET_OUTPUT':
        return null;
      case 'STOP':
        ptz.refuseOthers(asker);
        return null;
      case 'RESERVE_PTZ':
        ptz.reserve(asker, request.forMs);
        break;
      case 'RELEASE_PTZ':
        ptz.release(asker);
        break;
      case 'PTZ_SESSION':
        break;
      default:
        ptz.take(asker);
        return null;
    }
    return { presets: [], session: ptz.held };
  }

  #ptzOf(hardware: NonNullable<Hardware>): PtzSessions {
    const known = this.#ptz.get(hardware.hardwareId);
    if (known) return known;
    const { now } = this.#options;
    const sessions = new PtzSessions({
      ...{ name: hardware.name, now },
      onStarted: ({ heldBy, priority, reserved }) =>
        this.#report(hardware, { type: 'PtzSessionStarted', data: { askedBy: heldBy, priority, reserved } }),
      onEnded: ({ heldBy, priority, reserved }, because) => {
        const data = { askedBy: heldBy, priority, reserved, because };
        this.#report(hardware, { type: 'PtzSessionEnded', data });
      },
    });
    this.#ptz.set(hardware.hardwareId, sessions);
    return sessions;
  }

  async #ask(
    { commands, movement }: Controlled,
    request: CameraRequest,
    signal: AbortSignal,
  ): Promise<CameraAnswer> {
    switch (request.kind) {
      case 'MOVE':
        await movement.move({ pan: request.pan, tilt: request.tilt, zoom: request.zoom });
        break;
      case 'STOP':
        await movement.stop();
        break;
      case 'LIST_PRESETS': {
        const presets = (await commands.presets(signal)).filter(
          preset => CameraPreset.safeParse(preset).success,
        );
        return CameraAnswer.parse({ presets: presets.slice(0, PRESETS_MAX) });
      }
      case 'GO_TO_PRESET':
        await commands.goToPreset(request.preset, signal);
        break;
      case 'SET_OUTPUT':
        await commands.setOutput(request.output, request.active, signal);
        break;
      case 'SAVE_PRESET': {
        const token = await commands.savePreset(request.name, signal);
        return CameraAnswer.parse({ presets: [{ token, name: request.name }] });
      }
      case 'RENAME_PRESET':
        await commands.renamePreset(request.preset, request.name, signal);
        break;
      case 'DELETE_PRESET':
        await commands.deletePreset(request.preset, signal);
    }
    return { presets: [] };
  }

  #refuseWhatItCannot(hardware: NonNullable<Hardware>, request: CameraRequest): void {
    const cannot = (words: string) => refuse('CAMERA_CANNOT', `${hardware.name} ${words}`);
    if (driverOf(hardware.driver).openCommands === undefined) {
      cannot(`cannot be told anything: its driver ${hardware.driver} has no requests to cameras`);
    }
    const capabilities = this.#options.capabilitiesOf(hardware.hardwareId);
    if (capabilities === null) return;
    if (request.kind !== 'SET_OUTPUT') {
      if (!capabilities.ptz) cannot('does not turn, tilt or zoom');
    } else if (!capabilities.outputs.includes(request.output)) {
      const has = capabilities.outputs.length === 0 ? 'none' : capabilities.outputs.join(', ');
      cannot(`has no output ${request.output}; it has ${has}`);
    }
  }

  #controlledOf(hardware: NonNullable<Hardware>): Controlled {
    const { hardwareId, driver, address, sealedCredentials } = hardware;
    const key = JSON.stringify([driver, address, sealedCredentials]);
    const known = this.#controlled.get(hardwareId);
    if (known?.key === key) return known;
    const commands = driverOf(driver).openCommands!(this.#accessTo(hardware));
    const controlled = { key, commands, movement: new PtzMovement(commands) };
    this.#controlled.set(hardwareId, controlled);
    return controlled;
  }

  #accessTo({ address, sealedCredentials }: NonNullable<Hardware>): CameraAccess {
    const { now, random, openCredentials } = this.#options;
    const credentials = sealedCredentials === null ? null : openCredentials(sealedCredentials);
    return { address, credentials, now, random };
  }

  #report(hardware: NonNullable<Hardware>, { type, data }: HardwareSignal): void {
    const { recordingServerId, now, report } = this.#options;
    const { hardwareId } = hardware;
    const { deviceId } = recordingDeviceOf(hardware);
    const told = { ...{ hardwareId, deviceId, recordingServerId, atMs: now() }, ...data };
    report(`hardware-signals-${hardwareId}`, { type, data: told } as HardwareSignalEvent);
  }
}

/** Without what all of them say of the camera and the time. */
type HardwareSignal = {
  [Event in HardwareSignalEvent as Event['type']]: {
    readonly type: Event['type'];
    readonly data: Omit<Event['data'], 'hardwareId' | 'deviceId' | 'recordingServerId' | 'atMs'>;
  };
}[HardwareSignalEvent['type']];

/** What the log says of what a camera has done. Null: nothing. */
function signalOf(request: CameraRequest, answer: CameraAnswer, askedBy: string): HardwareSignal | null {
  switch (request.kind) {
    case 'SET_OUTPUT': {
      const type = request.active ? 'OutputActivated' : 'OutputDeactivated';
      return { type, data: { output: request.output, askedBy } };
    }
    case 'SAVE_PRESET': {
      const [preset] = answer.presets;
      return { type: 'PtzPresetSaved', data: { preset: preset!.token, name: request.name, askedBy } };
    }
    case 'RENAME_PRESET': {
      const { preset, name } = request;
      return { type: 'PtzPresetRenamed', data: { preset, name, askedBy } };
    }
    case 'DELETE_PRESET':
      return { type: 'PtzPresetDeleted', data: { preset: request.preset, askedBy } };
    default:
      return null;
  }
}

function refusalOf(hardware: NonNullable<Hardware>, error: unknown): CameraRefusedError {
  if (error instanceof CameraRefusedError) return error;
  const words = error instanceof Error ? error.message : String(error);
  return new CameraRefusedError('CAMERA_FAILED', `${hardware.name}: ${words}`);
}

function refuse(code: CameraRefusalCode, message: string): never {
  throw new CameraRefusedError(code, message);
}
