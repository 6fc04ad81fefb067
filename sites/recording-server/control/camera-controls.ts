import {
  type CameraControlOptions,
  type CameraRefusalCode,
  CameraRefusedError,
  type Hardware,
} from '@holdfast/core';
import {
  CameraAnswer,
  CameraPreset,
  type CameraRequest,
  type DeviceId,
  type HardwareCapabilities,
  type HardwareId,
  type HoldfastEvent,
  type RecordingServerId,
} from '@holdfast/schema';
import type { CameraAccess, CameraCommands, CameraCredentials } from '../drivers/driver.js';
import { driverOf } from '../drivers/driver-registry.js';
import { recordingDeviceOf } from '../recorder/site-view.js';
import { PtzMovement } from './ptz-movement.js';

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

  constructor(options: CameraControlsOptions) {
    this.#options = options;
  }

  /** As `CameraControl` of core. */
  async control(
    deviceId: DeviceId,
    request: CameraRequest,
    { askedBy, signal }: CameraControlOptions,
  ): Promise<CameraAnswer> {
    const hardware = this.#options.hardwareWith(deviceId);
    if (hardware === null) {
      throw new CameraRefusedError('NO_SUCH_DEVICE', `this recording server has no device ${deviceId}`);
    }
    this.#refuseWhatItCannot(hardware, request);
    try {
      const controlled = this.#controlledOf(hardware);
      const within = AbortSignal.any([signal, AbortSignal.timeout(CAMERA_WAIT_MS)]);
      return await this.#ask(controlled, request, within, () =>
        this.#reportOutput(hardware, request, askedBy),
      );
    } catch (error) {
      if (error instanceof CameraRefusedError) throw error;
      const words = error instanceof Error ? error.message : String(error);
      throw new CameraRefusedError('CAMERA_FAILED', `${hardware.name}: ${words}`);
    }
  }

  async #ask(
    { commands, movement }: Controlled,
    request: CameraRequest,
    signal: AbortSignal,
    switched: () => void,
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
        switched();
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
    const { now, random, openCredentials } = this.#options;
    const credentials = sealedCredentials === null ? null : openCredentials(sealedCredentials);
    const access: CameraAccess = { address, credentials, now, random };
    const commands = driverOf(driver).openCommands!(access);
    const controlled = { key, commands, movement: new PtzMovement(commands) };
    this.#controlled.set(hardwareId, controlled);
    return controlled;
  }

  #reportOutput(hardware: NonNullable<Hardware>, request: CameraRequest, askedBy: string): void {
    if (request.kind !== 'SET_OUTPUT') return;
    const { recordingServerId, now, report } = this.#options;
    const { hardwareId } = hardware;
    const { deviceId } = recordingDeviceOf(hardware);
    const data = { hardwareId, deviceId, recordingServerId, atMs: now(), output: request.output, askedBy };
    const type = request.active ? 'OutputActivated' : 'OutputDeactivated';
    report(`hardware-signals-${hardwareId}`, { type, data });
  }
}

function refuse(code: CameraRefusalCode, message: string): never {
  throw new CameraRefusedError(code, message);
}
