import { z } from 'zod';

const PRESETS_MAX = 500;
/** A part of full speed, in a direction: to the right, up, and nearer. */
const Speed = z.number().min(-1).max(1);
const CameraToken = z.string().min(1).max(200);

/** The higher takes over a camera that somebody turns; of equals the first keeps it. */
export const PTZ_PRIORITY = {
  least: 1,
  low: 2_000,
  medium: 3_000,
  high: 4_000,
  veryHigh: 5_000,
  most: 32_000,
};
const PtzPriority = z.int().min(PTZ_PRIORITY.least).max(PTZ_PRIORITY.most);
/** Who has turned a camera keeps it for so long. */
export const PTZ_SESSION_MS = 15_000;
export const PTZ_RESERVATION_MS_MAX = 3_600_000;
/** Left out: medium. */
const priority = PtzPriority.optional();
/** As long as ONVIF cameras take. */
const PresetName = z.string().trim().min(1).max(64);

/** What is asked of a camera at once, while its site is connected. It is in no log, unless the camera does something by it. */
export const CameraRequest = z.discriminatedUnion('kind', [
  /** It moves until it is told to stop, and for `MOVE_MS_MAX` at the longest if it is told nothing more. */
  z.object({ kind: z.literal('MOVE'), pan: Speed, tilt: Speed, zoom: Speed, priority }),
  z.object({ kind: z.literal('STOP'), priority }),
  z.object({ kind: z.literal('LIST_PRESETS') }),
  z.object({ kind: z.literal('GO_TO_PRESET'), preset: CameraToken, priority }),
  /** Where it stands now. */
  z.object({ kind: z.literal('SAVE_PRESET'), name: PresetName, priority }),
  z.object({ kind: z.literal('RENAME_PRESET'), preset: CameraToken, name: PresetName, priority }),
  z.object({ kind: z.literal('DELETE_PRESET'), preset: CameraToken, priority }),
  /** Nobody else turns it, but who has a higher priority. */
  z.object({
    kind: z.literal('RESERVE_PTZ'),
    forMs: z.int().min(1_000).max(PTZ_RESERVATION_MS_MAX),
    priority,
  }),
  z.object({ kind: z.literal('RELEASE_PTZ') }),
  z.object({ kind: z.literal('PTZ_SESSION') }),
  z.object({ kind: z.literal('SET_OUTPUT'), output: CameraToken, active: z.boolean() }),
]);
export type CameraRequest = z.infer<typeof CameraRequest>;

/** Somebody wants to speak through the camera: sound follows. */
export const SpeakRequest = z.object({ kind: z.literal('SPEAK') });
export type SpeakRequest = z.infer<typeof SpeakRequest>;
/** G.711 µ-law: a byte each for 8,000 samples a second. */
export const SPEECH_BYTES_PER_SECOND = 8_000;
/** In one piece: 200 ms. */
export const SPEECH_BYTES_MAX = 1_600;

/** Whoever holds a key down says so again before this is over: a camera must not turn for ever because a link was lost. */
export const MOVE_MS_MAX = 1_500;

export const CameraPreset = z.object({ token: CameraToken, name: z.string().max(200) });
export type CameraPreset = z.infer<typeof CameraPreset>;

/** Who has a camera that turns. */
export const PtzSession = z.object({
  /** As an actor stands in a log. */
  heldBy: z.string().max(2000),
  priority: PtzPriority,
  reserved: z.boolean(),
  untilMs: z.int(),
});
export type PtzSession = z.infer<typeof PtzSession>;

export const CameraAnswer = z.object({
  /** Empty but for `LIST_PRESETS`, and for `SAVE_PRESET`, which gives the one that was saved. */
  presets: z.array(CameraPreset).max(PRESETS_MAX),
  /** For `PTZ_SESSION`, `RESERVE_PTZ` and `RELEASE_PTZ`. Null: nobody has it. */
  session: PtzSession.nullable().optional(),
});
export type CameraAnswer = z.infer<typeof CameraAnswer>;
