import { CameraRefusedError } from '@holdfast/core';
import { type CameraAnswer, CameraRequest, DeviceId } from '@holdfast/schema';
import { CameraPayload, PtzPreset } from '@holdfast/schema/graphql';
import { Arg, Ctx, Float, ID, Mutation, Query, Resolver } from 'type-graphql';
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
};

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
    @Ctx() context: ApiContext,
  ): Promise<CameraPayload> {
    return this.#tell(deviceId, { kind: 'MOVE', pan, tilt, zoom }, context);
  }

  @Mutation(() => CameraPayload)
  stopPtz(@Arg('deviceId', () => ID) deviceId: string, @Ctx() context: ApiContext): Promise<CameraPayload> {
    return this.#tell(deviceId, { kind: 'STOP' }, context);
  }

  @Mutation(() => CameraPayload)
  goToPtzPreset(
    @Arg('deviceId', () => ID) deviceId: string,
    @Arg('presetId', () => ID) preset: string,
    @Ctx() context: ApiContext,
  ): Promise<CameraPayload> {
    return this.#tell(deviceId, { kind: 'GO_TO_PRESET', preset }, context);
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
