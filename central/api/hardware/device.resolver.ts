import { MOTION_DETECTION, RECORDING_POLICY, streamsOf } from '@holdfast/core';
import {
  DeviceId,
  DeviceStreams,
  MANUAL_RECORDING_MS,
  MotionDetection,
  RecordingPolicy,
  type SiteCommand,
  SiteId,
} from '@holdfast/schema';
import {
  type Connection,
  Device,
  DeviceConnection,
  DeviceHealth,
  DevicePayload,
  DeviceStreams as DeviceStreamsSettings,
  DeviceTypeEnum,
  Hardware,
  MotionDetectionSettings,
  PageArguments,
  RecordingPolicySettings,
  RecordingServer,
  Site,
  type ValueOf,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readDevices } from '../../read-models/hardware/devices.query.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import { parseId, parseIdOrNull, parseOptionalId, parseSetting } from '../arguments.js';
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

  @FieldResolver(() => DeviceHealth, {
    nullable: true,
    description: 'Null: nothing was said yet. Recordings of a microphone are those of its camera.',
  })
  async health(@Root() device: Device, @Ctx() { load }: ApiContext): Promise<DeviceHealth | null> {
    return load.deviceHealth.load(device.id);
  }

  @FieldResolver(() => RecordingPolicySettings)
  recordingPolicy(@Root() device: Device): RecordingPolicySettings {
    const { recordingPolicy } = device;
    return recordingPolicy === null ? RECORDING_POLICY : JSON.parse(recordingPolicy);
  }

  @FieldResolver(() => MotionDetectionSettings)
  motionDetection(@Root() device: Device): MotionDetectionSettings {
    const { motionDetection } = device;
    return motionDetection === null ? MOTION_DETECTION : JSON.parse(motionDetection);
  }

  @FieldResolver(() => DeviceStreamsSettings, { nullable: true, description: 'Null: it is no camera.' })
  async streams(@Root() device: Device, @Ctx() { load }: ApiContext): Promise<DeviceStreamsSettings | null> {
    if (device.type !== 'CAMERA') return null;
    const hardware = await load.hardware.load(device.hardwareId);
    const streams = device.streams === null ? null : (JSON.parse(device.streams) as DeviceStreams);
    return hardware && (streamsOf(hardware, { streams }) as DeviceStreamsSettings);
  }

  @Mutation(() => DevicePayload)
  async updateDevice(
    @Arg('id', () => ID) id: string,
    @Arg('name', () => String, { nullable: true }) name: string | undefined,
    @Arg('enabled', () => Boolean, { nullable: true }) enabled: boolean | undefined,
    @Arg('recordingEnabled', () => Boolean, { nullable: true }) recordingEnabled: boolean | undefined,
    @Arg('recordingPolicy', () => RecordingPolicySettings, { nullable: true })
    policy: RecordingPolicySettings | undefined,
    @Arg('motionDetection', () => MotionDetectionSettings, { nullable: true })
    motion: MotionDetectionSettings | undefined,
    @Arg('streams', () => DeviceStreamsSettings, { nullable: true })
    streams: DeviceStreamsSettings | undefined,
    @Ctx() context: ApiContext,
  ): Promise<DevicePayload> {
    const device = await this.#known(id, context);
    const deviceId = device.id as DeviceId;
    return this.#send(
      device,
      {
        ...{ kind: 'ConfigureDevice', hardwareId: device.hardwareId as never, deviceId },
        ...(typeof name === 'string' && { name }),
        ...(typeof enabled === 'boolean' && { enabled }),
        ...(typeof recordingEnabled === 'boolean' && { recordingEnabled }),
        ...(policy && { recordingPolicy: parseSetting(RecordingPolicy, policy, 'recordingPolicy') }),
        ...(motion && { motionDetection: parseSetting(MotionDetection, motion, 'motionDetection') }),
        ...(streams && {
          streams: parseSetting(DeviceStreams, { ...streams, motion: streams.motion ?? null }, 'streams'),
        }),
      },
      context,
    );
  }

  @Mutation(() => DevicePayload, {
    description:
      'Records a device whatever its recording policy. It stops by itself, after 5 minutes unless said otherwise.',
  })
  async startRecording(
    @Arg('deviceId', () => ID) id: string,
    @Arg('durationSeconds', () => Int, { nullable: true }) durationSeconds: number | null | undefined,
    @Ctx() context: ApiContext,
  ): Promise<DevicePayload> {
    const durationMs = durationSeconds == null ? MANUAL_RECORDING_MS : durationSeconds * 1000;
    if (durationMs < 1_000 || durationMs > 86_400_000) {
      throw new ApiError({ code: 'BAD_USER_INPUT', message: 'durationSeconds: expected 1 to 86400' });
    }
    const device = await this.#known(id, context);
    return this.#send(
      device,
      { kind: 'StartRecording', deviceId: device.id as DeviceId, durationMs },
      context,
    );
  }

  @Mutation(() => DevicePayload)
  async stopRecording(
    @Arg('deviceId', () => ID) id: string,
    @Ctx() context: ApiContext,
  ): Promise<DevicePayload> {
    const device = await this.#known(id, context);
    return this.#send(device, { kind: 'StopRecording', deviceId: device.id as DeviceId }, context);
  }

  async #known(id: string, context: ApiContext): Promise<Device> {
    const deviceId = parseId(DeviceId, id, 'id');
    const device = await context.load.device.load(deviceId);
    if (device && !device.removed) return device;
    throw new ApiError({ code: 'DEVICE_NOT_FOUND', message: `no device ${deviceId} is known here` });
  }

  async #send(device: Device, asked: SiteCommand, context: ApiContext): Promise<DevicePayload> {
    const command = await this.#commands.send(device.siteId as SiteId, asked, context);
    return { command, device: await context.load.device.load(device.id) };
  }
}
