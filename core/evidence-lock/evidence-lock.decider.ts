import type { DeviceId, EvidenceLockEvent, EvidenceLockId } from '@holdfast/schema';
import { accept, type Decider, type Decision, refuse } from '../decider/decider.js';
import type { SiteCommandOf } from '../site-command/site-command.js';
import type { EvidenceLockCommand, EvidenceLockRefusal } from './evidence-lock.commands.js';

/** Null before the lock was created. */
export type EvidenceLock = {
  readonly evidenceLockId: EvidenceLockId;
  readonly deviceIds: readonly DeviceId[];
  readonly fromMs: number;
  readonly toMs: number;
  /** Null: until released. */
  readonly expiresAtMs: number | null;
  readonly released: boolean;
} | null;

export const evidenceLockDecider: Decider<
  EvidenceLock,
  EvidenceLockCommand,
  EvidenceLockEvent,
  EvidenceLockRefusal
> = {
  initialState: null,
  decide(command, lock) {
    switch (command.kind) {
      case 'CreateEvidenceLock':
        return create(command, lock);
      case 'ExtendEvidenceLock':
        return extend(command, lock);
      case 'ReleaseEvidenceLock':
        return release(command, lock);
    }
  },
  evolve(lock, event) {
    switch (event.type) {
      case 'EvidenceLockCreated': {
        const { evidenceLockId, deviceIds, fromMs, toMs, expiresAtMs } = event.data;
        return { evidenceLockId, deviceIds, fromMs, toMs, expiresAtMs, released: false };
      }
      case 'EvidenceLockExtended': {
        const { fromMs, toMs, expiresAtMs } = event.data;
        return lock && { ...lock, fromMs, toMs, expiresAtMs };
      }
      case 'EvidenceLockReleased':
        return lock && { ...lock, released: true };
    }
  },
};

/** Whether the lock protects anything at this time. */
export function isEvidenceLockActive(lock: EvidenceLock, nowMs: number): boolean {
  return lock !== null && !lock.released && expiry(lock.expiresAtMs) > nowMs;
}

type EvidenceLockDecision = Decision<EvidenceLockEvent, EvidenceLockRefusal>;

function create(
  command: Extract<EvidenceLockCommand, { kind: 'CreateEvidenceLock' }>,
  lock: EvidenceLock,
): EvidenceLockDecision {
  const { kind: _, unknownDeviceIds, nowMs, ...data } = command;
  if (lock !== null) {
    return refuse({
      code: 'EVIDENCE_LOCK_EXISTS',
      message: `evidence lock ${data.evidenceLockId} exists already`,
    });
  }
  if (unknownDeviceIds.length > 0) {
    return refuse({
      code: 'DEVICE_NOT_FOUND',
      message: `this site has no device ${unknownDeviceIds.join(', ')}`,
    });
  }
  if (data.fromMs >= data.toMs) {
    return refuse({ code: 'SPAN_EMPTY', message: 'the span of an evidence lock must begin before it ends' });
  }
  if (expiry(data.expiresAtMs) <= nowMs) return expiryPast();
  return accept({ type: 'EvidenceLockCreated', data: { ...data, deviceIds: [...new Set(data.deviceIds)] } });
}

function extend(
  command: Extract<EvidenceLockCommand, { kind: 'ExtendEvidenceLock' }>,
  lock: EvidenceLock,
): EvidenceLockDecision {
  const { evidenceLockId } = command;
  if (lock === null) return notFound(evidenceLockId);
  if (lock.released) return releasedBefore(evidenceLockId);
  const fromMs = command.fromMs ?? lock.fromMs;
  const toMs = command.toMs ?? lock.toMs;
  const expiresAtMs = command.expiresAtMs === undefined ? lock.expiresAtMs : command.expiresAtMs;
  const shorter = fromMs > lock.fromMs || toMs < lock.toMs || expiry(expiresAtMs) < expiry(lock.expiresAtMs);
  const same = fromMs === lock.fromMs && toMs === lock.toMs && expiresAtMs === lock.expiresAtMs;
  if (shorter || same) {
    return refuse({
      code: 'EVIDENCE_LOCK_NOT_EXTENDED',
      message: `extending evidence lock ${evidenceLockId} must widen its span or move its expiry later, and shorten neither`,
    });
  }
  if (expiry(expiresAtMs) <= command.nowMs) return expiryPast();
  return accept({ type: 'EvidenceLockExtended', data: { evidenceLockId, fromMs, toMs, expiresAtMs } });
}

function release(command: SiteCommandOf<'ReleaseEvidenceLock'>, lock: EvidenceLock): EvidenceLockDecision {
  const { evidenceLockId, reason } = command;
  if (lock === null) return notFound(evidenceLockId);
  if (lock.released) return releasedBefore(evidenceLockId);
  return accept({ type: 'EvidenceLockReleased', data: { evidenceLockId, reason } });
}

function expiry(expiresAtMs: number | null): number {
  return expiresAtMs ?? Number.POSITIVE_INFINITY;
}

function expiryPast(): EvidenceLockDecision {
  return refuse({ code: 'EXPIRY_PAST', message: 'an evidence lock must expire in the future, or never' });
}

function notFound(id: EvidenceLockId): EvidenceLockDecision {
  return refuse({ code: 'EVIDENCE_LOCK_NOT_FOUND', message: `this site has no evidence lock ${id}` });
}

function releasedBefore(id: EvidenceLockId): EvidenceLockDecision {
  return refuse({ code: 'EVIDENCE_LOCK_RELEASED', message: `evidence lock ${id} was released before` });
}
