import { send } from '../session/command';
import { request, type Variables } from '../session/graphql.client';
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

/** Who turns a camera. */
export interface PtzSession {
  readonly heldBy: string;
  readonly priority: number;
  readonly reserved: boolean;
  readonly until: string;
  readonly mine: boolean;
}

interface Named {
  readonly id: string;
  readonly name: string;
}

const MOVE = `mutation MovePtz($id: ID!, $pan: Float!, $tilt: Float!, $zoom: Float!) {
  movePtz(deviceId: $id, pan: $pan, tilt: $tilt, zoom: $zoom) { device { id } } }`;
const STOP = 'mutation StopPtz($id: ID!) { stopPtz(deviceId: $id) { device { id } } }';
const PRESETS = 'query PtzPresets($id: ID!) { ptzPresets(deviceId: $id) { id name } }';
const GO_TO_PRESET =
  'mutation GoToPtzPreset($id: ID!, $preset: ID!) { goToPtzPreset(deviceId: $id, presetId: $preset) { device { id } } }';
const SESSION_FIELDS = 'heldBy priority reserved until mine';
const SESSION = `query PtzSession($id: ID!) { ptzSession(deviceId: $id) { ${SESSION_FIELDS} } }`;
const RESERVE = `mutation ReservePtz($id: ID!) { reservePtz(deviceId: $id, seconds: 600) { ${SESSION_FIELDS} } }`;
const RELEASE = 'mutation ReleasePtz($id: ID!) { releasePtz(deviceId: $id) { device { id } } }';
const SAVE_PRESET =
  'mutation SavePtzPreset($id: ID!, $name: String!) { savePtzPreset(deviceId: $id, name: $name) { id } }';
const RENAME_PRESET = `mutation RenamePtzPreset($id: ID!, $preset: ID!, $name: String!) {
  renamePtzPreset(deviceId: $id, presetId: $preset, name: $name) { device { id } } }`;
const DELETE_PRESET = `mutation DeletePtzPreset($id: ID!, $preset: ID!) {
  deletePtzPreset(deviceId: $id, presetId: $preset) { device { id } } }`;
const SET_OUTPUT = `mutation SetCameraOutput($id: ID!, $output: String!, $active: Boolean!) {
  setCameraOutput(deviceId: $id, output: $output, active: $active) { device { id } } }`;

/** A camera stops by itself when it hears nothing for 1.5 s. */
const REPEAT_MS = 500;
/** Over a slow link that keeps it moving; more would pile up, and move it when it was released long ago. */
const UNANSWERED_MAX = 3;

const tell = async (title: string, document: string, variables: Variables): Promise<boolean> =>
  (await send({ title, document, variables, topics: [] })) !== 'FAILED';

/** Moves one camera for as long as something is held down. */
export class PtzMover implements Disposable {
  readonly #deviceId: string;
  readonly #title: string;
  #direction: Direction | null = null;
  /** A key that is held repeats; who was refused is not asked again before it is released. */
  #isRefused = false;
  #unansweredCount = 0;
  #repeat: ReturnType<typeof setInterval> | undefined;

  constructor(device: Named) {
    this.#deviceId = device.id;
    this.#title = `Move ${device.name}`;
  }

  move(direction: Direction): void {
    if (this.#isRefused) return;
    const held = this.#direction;
    const { pan, tilt, zoom } = direction;
    if (held !== null && held.pan === pan && held.tilt === tilt && held.zoom === zoom) return;
    this.#direction = direction;
    clearInterval(this.#repeat);
    this.#repeat = setInterval(() => {
      if (this.#unansweredCount < UNANSWERED_MAX) void this.#say(direction);
    }, REPEAT_MS);
    void this.#say(direction);
  }

  stop(): void {
    this.#isRefused = false;
    if (this.#direction === null) return;
    this.#forget();
    void tell(this.#title, STOP, { id: this.#deviceId });
  }

  async #say(direction: Direction): Promise<void> {
    this.#unansweredCount += 1;
    const isDone = await tell(this.#title, MOVE, { id: this.#deviceId, ...direction });
    this.#unansweredCount -= 1;
    if (isDone) return;
    this.#isRefused = this.#direction !== null;
    this.#forget();
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

export const goToPreset = (device: Named, preset: Preset) =>
  tell(`${device.name} to ${preset.name}`, GO_TO_PRESET, { id: device.id, preset: preset.id });

export const ptzSessionOf = (deviceId: string): Promise<PtzSession | null> =>
  request<{ ptzSession: PtzSession | null }>(SESSION, { id: deviceId }).then(answer => answer.ptzSession);

export const reservePtz = (device: Named) => tell(`Reserve ${device.name}`, RESERVE, { id: device.id });
export const releasePtz = (device: Named) => tell(`Release ${device.name}`, RELEASE, { id: device.id });

export const savePreset = (device: Named, name: string) =>
  tell(`Save a preset of ${device.name}`, SAVE_PRESET, { id: device.id, name });
export const renamePreset = (device: Named, preset: Preset, name: string) =>
  tell(`Rename a preset of ${device.name}`, RENAME_PRESET, { id: device.id, preset: preset.id, name });
export const deletePreset = (device: Named, preset: Preset) =>
  tell(`Delete a preset of ${device.name}`, DELETE_PRESET, { id: device.id, preset: preset.id });

export async function setOutput(device: Named, output: string, active: boolean): Promise<void> {
  const title = `${output} of ${device.name}`;
  const done = await tell(title, SET_OUTPUT, { id: device.id, output, active });
  if (done) notify({ tone: 'good', title, text: active ? 'Switched on.' : 'Switched off.' });
}
