import { CameraRefusedError } from '@holdfast/core';
import { type CameraAnswer, CameraRequest, DeviceId, PTZ_PRIORITY } from '@holdfast/schema';
import { CameraPayload, PtzPreset, PtzSession } from '@holdfast/schema/graphql';
import { Arg, Ctx, Float, ID, Int, Mutation, Query, Resolver } from 'type-graphql';
import { type ApiContext, actorOf } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { parseId, parseSetting } from '../arguments.js';
import type { ErrorCode } from '../error-codes.js';

const codes: { readonly [Code in CameraRefusedError['code']]: ErrorCode } = {
  NO_SUCH_DEVICE: 'DEVICE_NOT_FOUND',
  NOT_CONNECTED: 'SITE_NOT_CONNECTED',
  CAMERA_CANNOT: 'CAMERA_CANNOT',
  CAMERA_FAILED: 'CAMERA_FAILED',
  PTZ_TAKEN: 'PTZ_TAKEN',
};
const priorityHelp =
  'From 1 to what you may, which is what is meant when it is left out: 3000, of an administrator 5000. The higher takes over.';

/** What a camera does at once or not at all: it goes straight to its recording server, and waits for no link. */
@Resolver()
export class CameraResolver {
  readonly #ports: Pick<ApiPorts, 'cameras' | 'operators' | 'personal'>;

  constructor(ports: Pick<ApiPorts, 'cameras' | 'operators' | 'personal'>) {
    this.#ports = ports;
  }

  @Query(() => [PtzPreset], { description: 'Asked of the camera now.' })
  async ptzPresets(
    @Arg('deviceId', () => ID) deviceId: string,
    @Ctx() context: ApiContext,
  ): Promise<PtzPreset[]> {
    const { presets } = await this.#ask(deviceId, { kind: 'LIST_PRESETS' }, context);
    return presets.map(({ token, name }) => ({ id: token, name }));
  }

  @Mutation(() => CameraPayload, {
    description:
      'Turns, tilts and zooms: each from -1 to 1, to the right, up and nearer. It stops by itself after 1.5 s: say it again before, for as long as it is to go on.',
  })
  movePtz(
    @Arg('deviceId', () => ID) deviceId: string,
    @Arg('pan', () => Float, { defaultValue: 0 }) pan: number,
    @Arg('tilt', () => Float, { defaultValue: 0 }) tilt: number,
    @Arg('zoom', () => Float, { defaultValue: 0 }) zoom: number,
    @Arg('priority', () => Int, { nullable: true, description: priorityHelp }) priority: number | undefined,
    @Ctx() context: ApiContext,
  ): Promise<CameraPayload> {
    return this.#turn(deviceId, { kind: 'MOVE', pan, tilt, zoom, priority }, context);
  }

  @Mutation(() => CameraPayload)
  stopPtz(@Arg('deviceId', () => ID) deviceId: string, @Ctx() context: ApiContext): Promise<CameraPayload> {
    return this.#turn(deviceId, { kind: 'STOP' }, context);
  }

  @Query(() => PtzSession, { nullable: true, description: 'Who turns the camera now. Null: nobody.' })
  async ptzSession(
    @Arg('deviceId', () => ID) deviceId: string,
    @Ctx() context: ApiContext,
  ): Promise<PtzSession | null> {
    return this.#sessionOf(await this.#ask(deviceId, { kind: 'PTZ_SESSION' }, context), context);
  }

  @Mutation(() => PtzSession, {
    description: 'Nobody else turns the camera for so long, up to an hour, but who has a higher priority.',
  })
  async reservePtz(
    @Arg('deviceId', () => ID) deviceId: string,
    @Arg('seconds', () => Int, { defaultValue: 600 }) seconds: number,
    @Arg('priority', () => Int, { nullable: true, description: priorityHelp }) priority: number | undefined,
    @Ctx() context: ApiContext,
  ): Promise<PtzSession> {
    const asked = {
      kind: 'RESERVE_PTZ',
      forMs: seconds * 1000,
      priority: allowed(priority, context),
    } as const;
    return this.#sessionOf(await this.#ask(deviceId, asked, context), context)!;
  }

  @Mutation(() => CameraPayload, { description: 'Others may turn the camera at once.' })
  releasePtz(
    @Arg('deviceId', () => ID) deviceId: string,
    @Ctx() context: ApiContext,
  ): Promise<CameraPayload> {
    return this.#tell(deviceId, { kind: 'RELEASE_PTZ' }, context);
  }

  @Mutation(() => PtzPreset, { description: 'Where the camera stands now. Administrators only.' })
  async savePtzPreset(
    @Arg('deviceId', () => ID) deviceId: string,
    @Arg('name', () => String) name: string,
    @Ctx() context: ApiContext,
  ): Promise<PtzPreset> {
    administratorsOnly(context);
    const asked = { kind: 'SAVE_PRESET', name, priority: allowed(undefined, context) } as const;
    const [saved] = (await this.#ask(deviceId, asked, context)).presets;
    return { id: saved!.token, name: saved!.name };
  }

  @Mutation(() => CameraPayload, {
    description: 'Cameras that name a preset only where they stand go there first. Administrators only.',
  })
  renamePtzPreset(
    @Arg('deviceId', () => ID) deviceId: string,
    @Arg('presetId', () => ID) preset: string,
    @Arg('name', () => String) name: string,
    @Ctx() context: ApiContext,
  ): Promise<CameraPayload> {
    administratorsOnly(context);
    return this.#turn(deviceId, { kind: 'RENAME_PRESET', preset, name }, context);
  }

  @Mutation(() => CameraPayload, { description: 'Administrators only.' })
  deletePtzPreset(
    @Arg('deviceId', () => ID) deviceId: string,
    @Arg('presetId', () => ID) preset: string,
    @Ctx() context: ApiContext,
  ): Promise<CameraPayload> {
    administratorsOnly(context);
    return this.#turn(deviceId, { kind: 'DELETE_PRESET', preset }, context);
  }

  @Mutation(() => CameraPayload)
  goToPtzPreset(
    @Arg('deviceId', () => ID) deviceId: string,
    @Arg('presetId', () => ID) preset: string,
    @Arg('priority', () => Int, { nullable: true, description: priorityHelp }) priority: number | undefined,
    @Ctx() context: ApiContext,
  ): Promise<CameraPayload> {
    return this.#turn(deviceId, { kind: 'GO_TO_PRESET', preset, priority }, context);
  }

  @Mutation(() => CameraPayload, {
    description: 'Switches a relay of the camera. The log of its site says so, and who asked.',
  })
  setCameraOutput(
    @Arg('deviceId', () => ID) deviceId: string,
    @Arg('output', () => String) output: string,
    @Arg('active', () => Boolean) active: boolean,
    @Ctx() context: ApiContext,
  ): Promise<CameraPayload> {
    return this.#tell(deviceId, { kind: 'SET_OUTPUT', output, active }, context);
  }

  #turn(
    deviceId: string,
    request: Extract<CameraRequest, { priority?: number | undefined }>,
    context: ApiContext,
  ): Promise<CameraPayload> {
    return this.#tell(deviceId, { ...request, priority: allowed(request.priority, context) }, context);
  }

  #sessionOf({ session }: CameraAnswer, context: ApiContext): PtzSession | null {
    if (!session) return null;
    return { ...session, mine: session.heldBy === actorOf(context, this.#ports.personal) };
  }

  async #tell(deviceId: string, request: CameraRequest, context: ApiContext): Promise<CameraPayload> {
    await this.#ask(deviceId, request, context);
    return { device: await context.load.device.load(deviceId.toLowerCase()) };
  }

  async #ask(id: string, asked: CameraRequest, context: ApiContext): Promise<CameraAnswer> {
    const { cameras, operators, personal } = this.#ports;
    const deviceId = parseId(DeviceId, id, 'deviceId');
    const request = parseSetting(CameraRequest, asked, 'request');
    // What waits for how long is settled on the way to the camera.
    const { signal } = new AbortController();
    const askedBy = actorOf(context, personal);
    const preset = request.kind === 'GO_TO_PRESET' ? request.preset : null;
    if (preset !== null || request.kind === 'MOVE') {
      await operators.record([{ type: 'PtzMoved', data: { deviceId, preset } }], askedBy);
    }
    return cameras.control(deviceId, request, { askedBy, signal }).catch((error: unknown) => {
      if (!(error instanceof CameraRefusedError)) throw error;
      throw new ApiError({ code: codes[error.code], message: error.message });
    });
  }
}

function administratorsOnly({ user }: ApiContext): void {
  if (user?.administrator) return;
  throw new ApiError({ code: 'FORBIDDEN', message: 'only an administrator changes presets' });
}

/** Throws `ApiError` where it is more than the user may. */
function allowed(priority: number | null | undefined, { user }: ApiContext): number {
  const most = user?.administrator ? PTZ_PRIORITY.veryHigh : PTZ_PRIORITY.medium;
  if (priority == null) return most;
  if (priority >= PTZ_PRIORITY.least && priority <= most) return priority;
  throw new ApiError({
    code: 'BAD_USER_INPUT',
    message: `priority: expected from ${PTZ_PRIORITY.least} to ${most}, which is the highest that you may`,
  });
}
