import type { ShownState } from '../site/state-of';
import { duration, shortTime } from '../ui/time';

export interface Checkpoint {
  readonly epoch: number;
  readonly size: number;
  readonly at: string;
}

export interface LogEpoch {
  readonly epoch: number;
  readonly openedAt: string;
  readonly reason: string;
  readonly previousSize: number | null;
}

export interface SiteWithLog {
  readonly id: string;
  readonly name: string;
  readonly parent: { readonly id: string; readonly name: string } | null;
  readonly link: { readonly state: 'UP' | 'CONNECTING' | 'DOWN'; readonly since: string } | null;
  readonly log: {
    readonly epoch: number;
    readonly size: number;
    readonly root: string;
    readonly verifiedAt: string | null;
    readonly checkpoint: Checkpoint | null;
    readonly receipt: Checkpoint | null;
    readonly epochs: readonly LogEpoch[];
  };
}

export interface Projection {
  readonly name: string;
  readonly version: number;
  readonly state: 'FOLLOWING' | 'CATCHING_UP' | 'HALTED' | 'NOT_SERVED';
  readonly detail: string | null;
  readonly lag: number;
  readonly quarantinedCount: number;
  readonly checkedAt: string | null;
  readonly differenceCount: number;
  readonly differences: readonly {
    readonly description: string;
    readonly foundAt: string;
    readonly site: { readonly name: string } | null;
  }[];
  readonly buildProgress: number | null;
}

export interface QuarantinedEvent {
  readonly projection: string;
  readonly stream: string;
  readonly status: 'POISON' | 'UNTIL_UPGRADE' | 'WAITING';
  readonly reason: string;
  readonly at: string;
  readonly attempts: number;
  readonly site: { readonly name: string } | null;
  readonly event: { readonly id: string; readonly type: string } | null;
}

/** What somebody should look at stands first. */
export const severity: Readonly<Record<string, number>> = { bad: 0, warn: 1, info: 2, none: 3, good: 4 };

/** A site signs at least once a minute when something happens: later than this something is wrong. */
const SIGNATURE_LATE_MS = 5 * 60_000;

/** Whether what is held of a site's log is proven up to now. */
export function stateOfLog({ log, link, name }: SiteWithLog, nowMs: number): ShownState {
  const { checkpoint, epoch, size } = log;
  if (size === 0) {
    const detail = `Nothing of the log of ${name} has arrived yet`;
    return { tone: 'none', shape: 'ring', word: 'Nothing yet', detail };
  }
  if (checkpoint === null) {
    const detail = `The site has signed nothing of the ${size} events that are held here`;
    return { tone: 'bad', shape: 'triangle', word: 'Not signed', detail };
  }
  const isBehind = checkpoint.epoch < epoch || checkpoint.size < size;
  const ageMs = nowMs - Date.parse(checkpoint.at);
  if (isBehind && ageMs > SIGNATURE_LATE_MS) {
    const detail = `The site's last signature came ${duration(ageMs)} ago: none that is held here covers the newer events`;
    return { tone: 'warn', shape: 'diamond', word: 'Signature late', detail };
  }
  if (link !== null && link.state !== 'UP') {
    const detail = `Proven up to ${checkpoint.size}; the link is not up since ${shortTime(link.since, nowMs)}`;
    return { tone: 'info', shape: 'half', word: 'Proven so far', detail };
  }
  const detail = `Every event is checked against its hash, and the tree against the signature of ${name}`;
  return { tone: 'good', shape: 'disc', word: 'Proven', detail };
}

export function stateOfProjection(projection: Projection): ShownState {
  const { state, detail, differenceCount, quarantinedCount, lag } = projection;
  const why = detail ?? '';
  if (state === 'HALTED') return { tone: 'bad', shape: 'square', word: 'Halted', detail: why };
  if (state === 'NOT_SERVED') return { tone: 'bad', shape: 'cross', word: 'Not served', detail: why };
  if (differenceCount > 0)
    return { tone: 'bad', shape: 'triangle', word: 'Differs', detail: 'It shows what the log does not say' };
  if (quarantinedCount > 0)
    return { tone: 'warn', shape: 'diamond', word: 'Incomplete', detail: 'Events are put aside' };
  if (state === 'CATCHING_UP')
    return { tone: 'info', shape: 'half', word: 'Catching up', detail: `${lag} events behind` };
  return { tone: 'good', shape: 'disc', word: 'Current', detail: why };
}

const quarantineStates: Record<QuarantinedEvent['status'], ShownState> = {
  POISON: {
    ...{ tone: 'bad', shape: 'cross', word: 'Cannot be read' },
    detail: 'It could not be folded: a fault of the event, or of this software',
  },
  UNTIL_UPGRADE: {
    ...{ tone: 'warn', shape: 'diamond', word: 'Needs an upgrade' },
    detail: 'Newer software wrote it; after an upgrade it is tried again by itself',
  },
  WAITING: {
    ...{ tone: 'info', shape: 'ring', word: 'Waits' },
    detail: 'It comes after such a one in its stream, and waits for it',
  },
};

export const stateOfQuarantined = ({ status }: QuarantinedEvent): ShownState => quarantineStates[status];
