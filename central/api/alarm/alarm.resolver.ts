import { AlarmId, DeviceId, EventId, SiteId } from '@holdfast/schema';
import {
  Alarm,
  AlarmConnection,
  AlarmFilter,
  AlarmHistoryEntry,
  AlarmPayload,
  AlarmStateEnum,
  type Connection,
  Device,
  PageArguments,
  Site,
  type ValueOf,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Int, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readAlarmHistory, readAlarms, readAlarmsById } from '../../read-models/alarm/alarms.query.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { parseId, parseIdOrNull, parseOptionalId } from '../arguments.js';
import type { CommandSender } from '../command-sender.js';

/** What nobody calls urgent or unimportant. */
const PRIORITY_DEFAULT = 2;

@Resolver(() => Alarm)
export class AlarmResolver {
  readonly #sql: Sql;
  readonly #commands: CommandSender;
  readonly #ports: ApiPorts;

  constructor(sql: Sql, commands: CommandSender, ports: ApiPorts) {
    this.#sql = sql;
    this.#commands = commands;
    this.#ports = ports;
  }

  @Query(() => AlarmConnection, { description: 'Newest first.' })
  alarms(
    @Arg('filter', () => AlarmFilter, { nullable: true }) filter: AlarmFilter | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<Alarm>> {
    const query = {
      siteId: parseOptionalId(SiteId, filter?.siteId, 'filter.siteId'),
      states: filter?.states ?? null,
      deviceId: parseOptionalId(DeviceId, filter?.deviceId, 'filter.deviceId'),
      priority: filter?.priority ?? null,
      text: filter?.text ?? null,
      fromMs: filter?.from ?? null,
      toMs: filter?.to ?? null,
    };
    return readAlarms(this.#sql, query, page);
  }

  @Query(() => Alarm, { nullable: true })
  async alarm(@Arg('id', () => ID) id: string): Promise<Alarm | null> {
    const alarmId = parseIdOrNull(AlarmId, id);
    return alarmId === null ? null : this.#read(alarmId);
  }

  @FieldResolver(() => Site)
  async site(@Root() alarm: Alarm, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return load.site.load(alarm.siteId);
  }

  @FieldResolver(() => Device, { nullable: true })
  async source(@Root() alarm: Alarm, @Ctx() { load }: ApiContext): Promise<Device | null> {
    return alarm.sourceDeviceId === null ? null : load.device.load(alarm.sourceDeviceId);
  }

  @FieldResolver(() => [AlarmHistoryEntry], { description: 'Oldest first.' })
  async history(@Root() alarm: Alarm): Promise<readonly AlarmHistoryEntry[]> {
    return readAlarmHistory(this.#sql, alarm.id);
  }

  @Mutation(() => AlarmPayload, {
    description: 'At the site given, else at the site of the device, else at the site that answers.',
  })
  async raiseAlarm(
    @Arg('siteId', () => ID, { nullable: true }) site: string | undefined,
    @Arg('deviceId', () => ID, { nullable: true }) device: string | undefined,
    @Arg('name', () => String) name: string,
    @Arg('message', () => String, { nullable: true }) message: string | undefined,
    @Arg('priority', () => Int, { nullable: true }) priority: number | undefined,
    @Ctx() context: ApiContext,
  ): Promise<AlarmPayload> {
    const sourceDeviceId = parseOptionalId(DeviceId, device, 'deviceId');
    const siteId =
      parseOptionalId(SiteId, site, 'siteId') ?? (await this.#siteOfDevice(sourceDeviceId, context));
    if (siteId !== this.#ports.ownSite && !(await context.load.site.load(siteId))) {
      throw new ApiError({ code: 'SITE_NOT_FOUND', message: `no site ${siteId} is known here` });
    }
    const alarmId = this.#ports.newId() as AlarmId;
    const command = await this.#commands.send(
      siteId,
      {
        ...{ kind: 'RaiseAlarm', alarmId, name, message: message ?? '' },
        ...{ priority: priority ?? PRIORITY_DEFAULT, sourceDeviceId },
      },
      context,
    );
    return { command, alarm: await this.#read(alarmId) };
  }

  @Mutation(() => AlarmPayload, {
    description:
      '`assignedTo: null` assigns the alarm to nobody. With `expectedLastId` (`lastEventId` as it was shown, or the id of an own request that waits) whatever is more than a comment is refused as ALARM_HANDLED_MEANWHILE when more has happened to the alarm, also when its site hears of it later.',
  })
  async updateAlarm(
    @Arg('id', () => ID) id: string,
    @Arg('state', () => AlarmStateEnum, { nullable: true }) state: ValueOf<typeof AlarmStateEnum> | undefined,
    @Arg('assignedTo', () => String, { nullable: true }) assignedTo: string | null | undefined,
    @Arg('priority', () => Int, { nullable: true }) priority: number | undefined,
    @Arg('comment', () => String, { nullable: true }) comment: string | undefined,
    @Arg('reason', () => String, { nullable: true }) reason: string | undefined,
    @Arg('expectedLastId', () => ID, { nullable: true }) expected: string | undefined,
    @Ctx() context: ApiContext,
  ): Promise<AlarmPayload> {
    const alarmId = parseId(AlarmId, id, 'id');
    const expectedLastId = parseOptionalId(EventId, expected, 'expectedLastId');
    const alarm = await this.#read(alarmId);
    if (!alarm) throw new ApiError({ code: 'ALARM_NOT_FOUND', message: `no alarm ${alarmId} is known here` });
    const command = await this.#commands.send(
      alarm.siteId as SiteId,
      {
        ...{ kind: 'HandleAlarm', alarmId },
        ...(state && { state }),
        ...(assignedTo !== undefined && { assignedTo }),
        ...(typeof priority === 'number' && { priority }),
        ...(typeof comment === 'string' && { comment }),
        ...(typeof reason === 'string' && { reason }),
        ...(expectedLastId !== null && { expectedLastId }),
      },
      context,
    );
    return { command, alarm: await this.#read(alarmId) };
  }

  async #read(alarmId: AlarmId): Promise<Alarm | null> {
    const [row] = await readAlarmsById(this.#sql, [alarmId]);
    return row ?? null;
  }

  async #siteOfDevice(deviceId: DeviceId | null, { load }: ApiContext): Promise<SiteId> {
    if (deviceId === null) return this.#ports.ownSite;
    const device = await load.device.load(deviceId);
    if (device) return device.siteId as SiteId;
    throw new ApiError({ code: 'DEVICE_NOT_FOUND', message: `no device ${deviceId} is known here` });
  }
}
