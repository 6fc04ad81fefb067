import { z } from 'zod';

const PRESETS_MAX = 500;
/** A part of full speed, in a direction: to the right, up, and nearer. */
const Speed = z.number().min(-1).max(1);
const CameraToken = z.string().min(1).max(200);

/** What is asked of a camera at once, while its site is connected. It is in no log, unless the camera does something by it. */
export const CameraRequest = z.discriminatedUnion('kind', [
  /** It moves until it is told to stop, and for `MOVE_MS_MAX` at the longest if it is told nothing more. */
  z.object({ kind: z.literal('MOVE'), pan: Speed, tilt: Speed, zoom: Speed }),
  z.object({ kind: z.literal('STOP') }),
  z.object({ kind: z.literal('LIST_PRESETS') }),
  z.object({ kind: z.literal('GO_TO_PRESET'), preset: CameraToken }),
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

/** `presets`: empty but for `LIST_PRESETS`. */
export const CameraAnswer = z.object({ presets: z.array(CameraPreset).max(PRESETS_MAX) });
export type CameraAnswer = z.infer<typeof CameraAnswer>;
