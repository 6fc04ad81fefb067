import { ApiError, request } from '../session/graphql.client';
import { notify } from '../ui/notice.store';

export interface Direction {
  readonly pan: number;
  readonly tilt: number;
  readonly zoom: number;
}

export interface Preset {
  readonly id: string;
  readonly name: string;
}

const MOVE = `mutation MovePtz($id: ID!, $pan: Float!, $tilt: Float!, $zoom: Float!) {
  movePtz(deviceId: $id, pan: $pan, tilt: $tilt, zoom: $zoom) { device { id } } }`;
const STOP = 'mutation StopPtz($id: ID!) { stopPtz(deviceId: $id) { device { id } } }';
const PRESETS = 'query PtzPresets($id: ID!) { ptzPresets(deviceId: $id) { id name } }';
const GO_TO_PRESET =
  'mutation GoToPtzPreset($id: ID!, $preset: ID!) { goToPtzPreset(deviceId: $id, presetId: $preset) { device { id } } }';
const SET_OUTPUT = `mutation SetCameraOutput($id: ID!, $output: String!, $active: Boolean!) {
  setCameraOutput(deviceId: $id, output: $output, active: $active) { device { id } } }`;

/** A camera stops by itself when it hears nothing for 1.5 s. */
const REPEAT_MS = 500;

async function tell(title: string, document: string, variables: Record<string, unknown>): Promise<boolean> {
  try {
    await request(document, variables);
    return true;
  } catch (error) {
    notify({ tone: 'bad', title, text: error instanceof ApiError ? error.message : String(error) });
    return false;
  }
}

/** Moves one camera for as long as something is held down. */
export class PtzMover implements Disposable {
  readonly #deviceId: string;
  readonly #title: string;
  #direction: Direction | null = null;
  #repeat: ReturnType<typeof setInterval> | undefined;

  constructor(device: { readonly id: string; readonly name: string }) {
    this.#deviceId = device.id;
    this.#title = `Move ${device.name}`;
  }

  move(direction: Direction): void {
    const held = this.#direction;
    const { pan, tilt, zoom } = direction;
    if (held !== null && held.pan === pan && held.tilt === tilt && held.zoom === zoom) return;
    this.#direction = direction;
    clearInterval(this.#repeat);
    this.#repeat = setInterval(() => void this.#say(direction), REPEAT_MS);
    void this.#say(direction);
  }

  stop(): void {
    if (this.#direction === null) return;
    this.#forget();
    void tell(this.#title, STOP, { id: this.#deviceId });
  }

  async #say(direction: Direction): Promise<void> {
    // A camera that refuses is not asked twice a second.
    if (!(await tell(this.#title, MOVE, { id: this.#deviceId, ...direction }))) this.#forget();
  }

  #forget(): void {
    this.#direction = null;
    clearInterval(this.#repeat);
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}

export const presetsOf = (deviceId: string): Promise<readonly Preset[]> =>
  request<{ ptzPresets: readonly Preset[] }>(PRESETS, { id: deviceId }).then(answer => answer.ptzPresets);

export const goToPreset = (device: { readonly id: string; readonly name: string }, preset: Preset) =>
  tell(`${device.name} to ${preset.name}`, GO_TO_PRESET, { id: device.id, preset: preset.id });

export async function setOutput(
  device: { readonly id: string; readonly name: string },
  output: string,
  active: boolean,
): Promise<void> {
  const title = `${output} of ${device.name}`;
  const done = await tell(title, SET_OUTPUT, { id: device.id, output, active });
  if (done) notify({ tone: 'good', title, text: active ? 'Switched on.' : 'Switched off.' });
}
