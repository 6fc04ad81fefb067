import { deviceLockResult, lockOutcome } from '@holdfast/core';
import { DeviceId, EvidenceLockId, SiteId } from '@holdfast/schema';
import {
  type Connection,
  DateTime,
  Device,
  EvidenceLock,
  EvidenceLockConnection,
  EvidenceLockDevice,
  EvidenceLockFilter,
  EvidenceLockOutcomeEnum,
  EvidenceLockPayload,
  EvidenceLockStateEnum,
  PageArguments,
  Site,
  type ValueOf,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import {
  evidenceLockState,
  readEvidenceLocks,
  readEvidenceLocksById,
} from '../../read-models/evidence-lock/evidence-locks.query.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { parseId, parseOptionalId } from '../arguments.js';
import type { CommandSender } from '../command-sender.js';
import { siteOfDevices } from '../site-of-devices.js';

@Resolver(() => EvidenceLock)
export class EvidenceLockResolver {
  readonly #sql: Sql;
  readonly #commands: CommandSender;
  readonly #ports: ApiPorts;

  constructor(sql: Sql, commands: CommandSender, ports: ApiPorts) {
    this.#sql = sql;
    this.#commands = commands;
    this.#ports = ports;
  }

  @Query(() => EvidenceLockConnection, { description: 'Newest first.' })
  evidenceLocks(
    @Arg('filter', () => EvidenceLockFilter, { nullable: true }) filter: EvidenceLockFilter | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<EvidenceLock>> {
    const query = {
      siteId: parseOptionalId(SiteId, filter?.siteId, 'filter.siteId'),
      deviceId: parseOptionalId(DeviceId, filter?.deviceId, 'filter.deviceId'),
      states: filter?.states ?? null,
      text: filter?.text ?? null,
    };
    return readEvidenceLocks(this.#sql, query, page, this.#ports.now());
  }

  @FieldResolver(() => Site)
  async site(@Root() lock: EvidenceLock, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return load.site.load(lock.siteId);
  }

  @FieldResolver(() => [Device])
  async devices(@Root() lock: EvidenceLock, @Ctx() { load }: ApiContext): Promise<readonly Device[]> {
    return load.device.loadMany(lock.deviceIds);
  }

  @FieldResolver(() => [EvidenceLockDevice], { description: 'In the order of `devices`.' })
  async deviceResults(
    @Root() lock: EvidenceLock,
    @Ctx() { load }: ApiContext,
  ): Promise<readonly EvidenceLockDevice[]> {
    const reports = (await load.evidenceLockReports.load(lock.id))?.reports ?? [];
    return lock.deviceIds.map(deviceId => {
      const own = reports.filter(report => report.deviceId === deviceId);
      return { deviceId, ...deviceLockResult(lock, own) };
    });
  }

  @FieldResolver(() => EvidenceLockOutcomeEnum, { description: 'Of all devices together.' })
  async outcome(
    @Root() lock: EvidenceLock,
    @Ctx() context: ApiContext,
  ): Promise<ValueOf<typeof EvidenceLockOutcomeEnum>> {
    return lockOutcome(await this.deviceResults(lock, context));
  }

  @FieldResolver(() => EvidenceLockStateEnum)
  state(@Root() lock: EvidenceLock): ValueOf<typeof EvidenceLockStateEnum> {
    return evidenceLockState(lock, this.#ports.now());
  }

  @Mutation(() => EvidenceLockPayload, { description: 'All devices must belong to one site.' })
  async createEvidenceLock(
    @Arg('deviceIds', () => [ID]) devices: string[],
    @Arg('from', () => DateTime) fromMs: number,
    @Arg('to', () => DateTime) toMs: number,
    @Arg('headline', () => String) headline: string,
    @Arg('description', () => String, { nullable: true }) description: string | undefined,
    @Arg('expiresAt', () => DateTime, { nullable: true }) expiresAtMs: number | null | undefined,
    @Ctx() context: ApiContext,
  ): Promise<EvidenceLockPayload> {
    const { siteId, deviceIds } = await siteOfDevices(devices, context);
    const evidenceLockId = this.#ports.newId() as EvidenceLockId;
    const command = await this.#commands.send(
      siteId,
      {
        ...{ kind: 'CreateEvidenceLock', evidenceLockId, headline, description: description ?? '' },
        ...{ deviceIds: [...deviceIds], fromMs, toMs, expiresAtMs: expiresAtMs ?? null },
      },
      context,
    );
    return { command, evidenceLock: await this.#read(evidenceLockId) };
  }

  @Mutation(() => EvidenceLockPayload, {
    description: '`expiresAt: null` keeps the lock until it is released; left out, the expiry stays.',
  })
  async extendEvidenceLock(
    @Arg('id', () => ID) id: string,
    @Arg('from', () => DateTime, { nullable: true }) fromMs: number | null | undefined,
    @Arg('to', () => DateTime, { nullable: true }) toMs: number | null | undefined,
    @Arg('expiresAt', () => DateTime, { nullable: true }) expiresAtMs: number | null | undefined,
    @Ctx() context: ApiContext,
  ): Promise<EvidenceLockPayload> {
    const lock = await this.#known(id);
    const evidenceLockId = lock.id as EvidenceLockId;
    const command = await this.#commands.send(
      lock.siteId as SiteId,
      {
        ...{ kind: 'ExtendEvidenceLock', evidenceLockId },
        ...(typeof fromMs === 'number' && { fromMs }),
        ...(typeof toMs === 'number' && { toMs }),
        ...(expiresAtMs !== undefined && { expiresAtMs }),
      },
      context,
    );
    return { command, evidenceLock: await this.#read(evidenceLockId) };
  }

  @Mutation(() => EvidenceLockPayload)
  async releaseEvidenceLock(
    @Arg('id', () => ID) id: string,
    @Arg('reason', () => String, { nullable: true }) reason: string | undefined,
    @Ctx() context: ApiContext,
  ): Promise<EvidenceLockPayload> {
    const lock = await this.#known(id);
    const evidenceLockId = lock.id as EvidenceLockId;
    const command = await this.#commands.send(
      lock.siteId as SiteId,
      { kind: 'ReleaseEvidenceLock', evidenceLockId, reason: reason ?? '' },
      context,
    );
    return { command, evidenceLock: await this.#read(evidenceLockId) };
  }

  async #known(id: string): Promise<EvidenceLock> {
    const evidenceLockId = parseId(EvidenceLockId, id, 'id');
    const lock = await this.#read(evidenceLockId);
    if (lock) return lock;
    throw new ApiError({
      code: 'EVIDENCE_LOCK_NOT_FOUND',
      message: `no evidence lock ${evidenceLockId} is known here`,
    });
  }

  async #read(evidenceLockId: EvidenceLockId): Promise<EvidenceLock | null> {
    const [row] = await readEvidenceLocksById(this.#sql, [evidenceLockId]);
    return row ?? null;
  }
}

@Resolver(() => EvidenceLockDevice)
export class EvidenceLockDeviceResolver {
  @FieldResolver(() => Device, { nullable: true, description: 'Null when it is known here no more.' })
  async device(@Root() result: EvidenceLockDevice, @Ctx() { load }: ApiContext): Promise<Device | null> {
    return load.device.load(result.deviceId);
  }
}
