import {
  type DeviceId,
  type DriverName,
  HardwareId,
  RecordingServerId,
  SiteId,
  StorageId,
} from '@holdfast/schema';
import {
  CameraInput,
  DriverEnum,
  Hardware,
  HardwareCapabilities,
  HardwarePayload,
  RecordingServer,
  type ValueOf,
} from '@holdfast/schema/graphql';
import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { parseId } from '../arguments.js';
import type { CommandSender } from '../command-sender.js';

@Resolver(() => Hardware)
export class HardwareResolver {
  readonly #commands: CommandSender;
  readonly #ports: ApiPorts;

  constructor(commands: CommandSender, ports: ApiPorts) {
    this.#commands = commands;
    this.#ports = ports;
  }

  @FieldResolver(() => RecordingServer)
  async recordingServer(
    @Root() hardware: Hardware,
    @Ctx() { load }: ApiContext,
  ): Promise<RecordingServer | null> {
    return load.recordingServer.load(hardware.recordingServerId);
  }

  @FieldResolver(() => DriverEnum, {
    nullable: true,
    description: 'Null while the read model is built anew.',
  })
  driver(@Root() { driver }: Hardware): ValueOf<typeof DriverEnum> | null {
    return driver === null ? null : (driver.toUpperCase() as ValueOf<typeof DriverEnum>);
  }

  @FieldResolver(() => HardwareCapabilities, {
    nullable: true,
    description: 'Null: it has not said yet, or its driver cannot ask.',
  })
  capabilities(@Root() { capabilities }: Hardware): HardwareCapabilities | null {
    if (capabilities === null) return null;
    const known = JSON.parse(capabilities) as HardwareCapabilities;
    return { ...known, audio: known.audio || null };
  }

  @Mutation(() => HardwarePayload)
  async addHardware(
    @Arg('siteId', () => ID) site: string,
    @Arg('recordingServerId', () => ID) recordingServer: string,
    @Arg('camera', () => CameraInput) camera: CameraInput,
    @Ctx() context: ApiContext,
  ): Promise<HardwarePayload> {
    const siteId = parseId(SiteId, site, 'siteId');
    const recordingServerId = parseId(RecordingServerId, recordingServer, 'recordingServerId');
    if (!(await context.load.site.load(siteId))) {
      throw new ApiError({ code: 'SITE_NOT_FOUND', message: `no site ${siteId} is known here` });
    }
    const hardwareId = this.#ports.newId() as HardwareId;
    const deviceId = this.#ports.newId() as DeviceId;
    const { name, address } = camera;
    // What is usual is left out: a site with older software, which knows no drivers, understands the rest.
    const isUsual = (camera.driver ?? 'RTSP') === 'RTSP' && (camera.transport ?? 'AUTO') === 'AUTO';
    const means = {
      driver: (camera.driver ?? 'RTSP').toLowerCase() as DriverName,
      transport: camera.transport ?? 'AUTO',
    };
    const sealedCredentials = await this.#seal(siteId, camera);
    const devices = [{ deviceId, type: 'CAMERA' as const, name }];
    const command = await this.#commands.send(
      siteId,
      {
        ...{ kind: 'AddHardware', hardwareId, name, address, ...(isUsual ? {} : means) },
        ...{ sealedCredentials, recordingServerId, devices },
      },
      context,
    );
    return { command, hardware: await context.load.hardware.load(hardwareId) };
  }

  @Mutation(() => HardwarePayload)
  async moveHardware(
    @Arg('id', () => ID) id: string,
    @Arg('toRecordingServerId', () => ID) toRecordingServer: string,
    @Arg('toStorageId', () => ID, {
      nullable: true,
      description:
        'Left out: the storage of that recording server that it had there before, else its default one.',
    })
    toStorage: string | null,
    @Ctx() context: ApiContext,
  ): Promise<HardwarePayload> {
    const hardwareId = parseId(HardwareId, id, 'id');
    const toRecordingServerId = parseId(RecordingServerId, toRecordingServer, 'toRecordingServerId');
    const hardware = await context.load.hardware.load(hardwareId);
    if (!hardware || hardware.removed) {
      throw new ApiError({ code: 'HARDWARE_NOT_FOUND', message: `no hardware ${hardwareId} is known here` });
    }
    const command = await this.#commands.send(
      hardware.siteId as SiteId,
      {
        ...{ kind: 'MoveHardware', hardwareId, toRecordingServerId },
        ...(toStorage == null ? {} : { toStorageId: parseId(StorageId, toStorage, 'toStorageId') }),
      },
      context,
    );
    return { command, hardware: await context.load.hardware.load(hardwareId) };
  }

  async #seal(siteId: SiteId, { userName, password }: CameraInput): Promise<string | null> {
    if (!userName && !password) return null;
    const sealed = await this.#ports.sealCredentials(siteId, userName ?? '', password ?? '');
    if (sealed !== null) return sealed;
    throw new ApiError({
      code: 'SITE_KEY_UNKNOWN',
      message: `the log of site ${siteId} has not arrived yet: its key is not known, so the password cannot be sealed`,
    });
  }
}
