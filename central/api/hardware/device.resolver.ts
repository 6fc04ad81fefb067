import { DeviceId, SiteId } from '@holdfast/schema';
import {
  type Connection,
  Device,
  DeviceConnection,
  DevicePayload,
  DeviceTypeEnum,
  Hardware,
  PageArguments,
  RecordingServer,
  Site,
  type ValueOf,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readDevices } from '../../read-models/hardware/devices.query.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import { parseId, parseIdOrNull, parseOptionalId } from '../arguments.js';
import type { CommandSender } from '../command-sender.js';

@Resolver(() => Device)
export class DeviceResolver {
  readonly #sql: Sql;
  readonly #commands: CommandSender;

  constructor(sql: Sql, commands: CommandSender) {
    this.#sql = sql;
    this.#commands = commands;
  }

  @Query(() => DeviceConnection)
  devices(
    @Arg('siteId', () => ID, { nullable: true }) siteId: string | undefined,
    @Arg('type', () => DeviceTypeEnum, { nullable: true }) type: ValueOf<typeof DeviceTypeEnum> | undefined,
    @Arg('text', () => String, { nullable: true }) text: string | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<Device>> {
    const filter = {
      siteId: parseOptionalId(SiteId, siteId, 'siteId'),
      type: type ?? null,
      text: text ?? null,
    };
    return readDevices(this.#sql, filter, page);
  }

  @Query(() => Device, { nullable: true })
  async device(@Arg('id', () => ID) id: string, @Ctx() { load }: ApiContext): Promise<Device | null> {
    const deviceId = parseIdOrNull(DeviceId, id);
    return deviceId === null ? null : load.device.load(deviceId);
  }

  @FieldResolver(() => Site)
  async site(@Root() device: Device, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return load.site.load(device.siteId);
  }

  @FieldResolver(() => Hardware)
  async hardware(@Root() device: Device, @Ctx() { load }: ApiContext): Promise<Hardware | null> {
    return load.hardware.load(device.hardwareId);
  }

  @FieldResolver(() => RecordingServer)
  async recordingServer(
    @Root() device: Device,
    @Ctx() { load }: ApiContext,
  ): Promise<RecordingServer | null> {
    const hardware = await load.hardware.load(device.hardwareId);
    return hardware && load.recordingServer.load(hardware.recordingServerId);
  }

  @Mutation(() => DevicePayload)
  async updateDevice(
    @Arg('id', () => ID) id: string,
    @Arg('name', () => String, { nullable: true }) name: string | undefined,
    @Arg('enabled', () => Boolean, { nullable: true }) enabled: boolean | undefined,
    @Arg('recordingEnabled', () => Boolean, { nullable: true }) recordingEnabled: boolean | undefined,
    @Ctx() context: ApiContext,
  ): Promise<DevicePayload> {
    const deviceId = parseId(DeviceId, id, 'id');
    const device = await context.load.device.load(deviceId);
    if (!device || device.removed) {
      throw new ApiError({ code: 'DEVICE_NOT_FOUND', message: `no device ${deviceId} is known here` });
    }
    const command = await this.#commands.send(
      device.siteId as SiteId,
      {
        ...{ kind: 'ConfigureDevice', hardwareId: device.hardwareId as never, deviceId },
        ...(typeof name === 'string' && { name }),
        ...(typeof enabled === 'boolean' && { enabled }),
        ...(typeof recordingEnabled === 'boolean' && { recordingEnabled }),
      },
      context,
    );
    return { command, device: await context.load.device.load(deviceId) };
  }
}
