import { Button, SegmentedControl, Select, Textarea, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { type FormEvent, useState } from 'react';
import { COMMAND_FIELDS, send, wasTaken } from '../session/command';
import { useList } from '../session/use-list';
import { hrefOf } from '../shell/place';
import { actorInWords } from '../site/actor';
import { useSiteDirectory } from '../site/site-directory';
import { EverySiteSelect } from '../site/site-select';
import { Dialog } from '../ui/dialog';
import { ActionsHead, Empty, ListFoot, NotListed } from '../ui/field';
import { Icon } from '../ui/icon';
import { type Shape, StateMark, type Tone } from '../ui/state-mark';
import { duration, shortTime, useNow, zoneAt } from '../ui/time';
import { TimeField } from '../ui/time-field';
import { CreateEvidenceLockDialog } from './create-evidence-lock.dialog';
import { expiryOf, LOCK_LIFETIMES } from './lock-lifetime';
import { type DeviceResult, type EvidenceLockOutcome, LockOutcome } from './lock-outcome';

type EvidenceLockState = 'ACTIVE' | 'EXPIRED' | 'RELEASED';
interface EvidenceLock {
  readonly id: string;
  readonly headline: string;
  readonly description: string;
  readonly site: { readonly id: string; readonly name: string };
  readonly devices: readonly { readonly id: string; readonly name: string }[];
  readonly from: string;
  readonly to: string;
  readonly expiresAt: string | null;
  readonly state: EvidenceLockState;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly releasedAt: string | null;
  readonly releasedReason: string | null;
  readonly outcome: EvidenceLockOutcome;
  readonly deviceResults: readonly DeviceResult[];
}

const LOCKS = `query EvidenceLocks($filter: EvidenceLockFilter, $first: Int) { evidenceLocks(filter: $filter, first: $first) {
  edges { cursor node { id headline description site { id name } devices { id name } from to expiresAt state createdAt createdBy releasedAt releasedReason outcome
    deviceResults { device { name } outcome byteLength judgedTo missing { from to } } } }
  pageInfo { hasNextPage endCursor } totalCount
} }`;
const EXTEND = `mutation ExtendEvidenceLock($id: ID!, $from: DateTime, $to: DateTime, $expiresAt: DateTime) {
  extendEvidenceLock(id: $id, from: $from, to: $to, expiresAt: $expiresAt) { ${COMMAND_FIELDS} }
}`;
const RELEASE = `mutation ReleaseEvidenceLock($id: ID!, $reason: String) {
  releaseEvidenceLock(id: $id, reason: $reason) { ${COMMAND_FIELDS} }
}`;

const states: Record<EvidenceLockState, { word: string; tone: Tone; shape: Shape }> = {
  ACTIVE: { word: 'Active', tone: 'warn', shape: 'square' },
  EXPIRED: { word: 'Expired', tone: 'none', shape: 'half' },
  RELEASED: { word: 'Released', tone: 'none', shape: 'ring' },
};

function ExtendDialog({ lock, onClose }: { readonly lock: EvidenceLock; readonly onClose: () => void }) {
  const [wasFromMs, wasToMs] = [Date.parse(lock.from), Date.parse(lock.to)];
  const [from, setFrom] = useState(wasFromMs);
  const [to, setTo] = useState(wasToMs);
  const [lifetime, setLifetime] = useState('');
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const change = {
      ...(from < wasFromMs ? { from: new Date(from).toISOString() } : {}),
      ...(to > wasToMs ? { to: new Date(to).toISOString() } : {}),
      ...(lifetime === '' ? {} : { expiresAt: expiryOf(lifetime) }),
    };
    const title = `Extend "${lock.headline}"`;
    const outcome = await send({
      document: EXTEND,
      variables: { id: lock.id, ...change },
      title,
      topics: ['evidence-locks', 'timeline'],
    });
    if (wasTaken(outcome)) onClose();
  };
  return (
    <Dialog onClose={onClose} title={`Extend "${lock.headline}"`} data-testid="extend-lock-dialog">
      <form className="form" onSubmit={submit}>
        <div className="row">
          <TimeField
            label="From"
            valueMs={from}
            onTime={setFrom}
            refuse={ms => (ms > wasFromMs ? 'Not later than before' : null)}
          />
          <TimeField
            label="To"
            valueMs={to}
            onTime={setTo}
            refuse={ms => (ms < wasToMs ? 'Not earlier than before' : null)}
          />
        </div>
        <Select
          label="Keep"
          data={[
            {
              value: '',
              label:
                lock.expiresAt === null
                  ? 'Until released, as before'
                  : `Until ${shortTime(lock.expiresAt)}, as before`,
            },
            ...LOCK_LIFETIMES.map(item =>
              item.value === 'released' ? item : { ...item, label: `${item.label} from now` },
            ),
          ]}
          value={lifetime}
          onChange={value => setLifetime(value ?? '')}
        />
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit">Extend</Button>
        </div>
      </form>
    </Dialog>
  );
}

function ReleaseDialog({ lock, onClose }: { readonly lock: EvidenceLock; readonly onClose: () => void }) {
  const [reason, setReason] = useState('');
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const title = `Release "${lock.headline}"`;
    const outcome = await send({
      document: RELEASE,
      variables: { id: lock.id, reason: reason.trim() },
      title,
      topics: ['evidence-locks', 'timeline'],
    });
    if (wasTaken(outcome)) onClose();
  };
  return (
    <Dialog onClose={onClose} title={`Release "${lock.headline}"?`} data-testid="release-lock-dialog">
      <form className="form" onSubmit={submit}>
        <p style={{ margin: 0 }}>
          The recordings of {lock.devices.map(device => device.name).join(', ')} return to their normal
          retention. What is older than that is deleted at the next clean-up, for good.
        </p>
        <Textarea
          label="Reason"
          required
          withAsterisk={false}
          data-autofocus
          value={reason}
          onChange={event => setReason(event.currentTarget.value)}
        />
        <div className="form-actions">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color="red" disabled={reason.trim() === ''} data-testid="release-lock-submit">
            Release the lock
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function LockLine({
  lock,
  nowMs,
  onExtend,
  onRelease,
}: {
  readonly lock: EvidenceLock;
  readonly nowMs: number;
  readonly onExtend: () => void;
  readonly onRelease: () => void;
}) {
  const directory = useSiteDirectory();
  const devices = lock.devices.map(device => device.name).join(', ');
  const until =
    lock.state === 'RELEASED'
      ? `released ${shortTime(lock.releasedAt ?? lock.createdAt, nowMs)}`
      : lock.expiresAt === null
        ? 'until released'
        : shortTime(lock.expiresAt, nowMs);
  return (
    <tr data-testid={`lock-${lock.id}`}>
      <td>
        <StateMark {...states[lock.state]} />
      </td>
      <td>
        <b>{lock.headline}</b>
        <div className="dim">{lock.releasedReason ?? lock.description}</div>
      </td>
      <td>
        {devices}
        <div className="dim">{lock.site.name}</div>
      </td>
      <td>
        <LockOutcome outcome={lock.outcome} results={lock.deviceResults} />
      </td>
      <td className="nowrap">
        {shortTime(lock.from, nowMs)}
        <div className="dim">{duration(Date.parse(lock.to) - Date.parse(lock.from))}</div>
      </td>
      <td className="nowrap">{until}</td>
      <td className="nowrap">
        {actorInWords(lock.createdBy, directory)}
        <div className="dim">{shortTime(lock.createdAt, nowMs)}</div>
      </td>
      <td className="nowrap">
        <a
          className="plain"
          href={hrefOf('playback', null, {
            devices: lock.devices
              .slice(0, 4)
              .map(device => device.id)
              .join(),
            at: lock.from,
          })}
        >
          Play
        </a>
        {lock.state === 'ACTIVE' && (
          <>
            <button type="button" className="plain" onClick={onExtend}>
              Extend
            </button>
            <button
              type="button"
              className="plain"
              onClick={onRelease}
              data-testid={`release-lock-${lock.id}`}
            >
              Release
            </button>
          </>
        )}
      </td>
    </tr>
  );
}

type OpenDialog =
  | { readonly kind: 'create' }
  | { readonly kind: 'extend' | 'release'; readonly lock: EvidenceLock };

export function EvidenceLocksPage() {
  const nowMs = useNow(10_000);
  const [state, setState] = useState('ACTIVE');
  const [siteId, setSiteId] = useState<string | null>(null);
  const [typed, setTyped] = useState('');
  const [text] = useDebouncedValue(typed.trim(), 250);
  const [dialog, setDialog] = useState<OpenDialog | null>(null);
  const filter = {
    ...(state === '' ? {} : { states: [state] }),
    ...(siteId === null ? {} : { siteId }),
    ...(text === '' ? {} : { text }),
  };
  const list = useList<EvidenceLock>(LOCKS, 'evidenceLocks', filter, ['evidence-locks']);
  const close = () => setDialog(null);
  const choices = [
    ...(Object.keys(states) as EvidenceLockState[]).map(value => ({
      value: value as string,
      label: states[value].word,
    })),
    { value: '', label: 'All' },
  ];
  return (
    <div className="page">
      <header className="page-head">
        <h1>Evidence locks</h1>
        <SegmentedControl aria-label="State" data={choices} value={state} onChange={setState} />
        <EverySiteSelect w={170} value={siteId} onChange={setSiteId} />
        <TextInput
          aria-label="Text"
          placeholder="Text"
          w={150}
          value={typed}
          onChange={event => setTyped(event.currentTarget.value)}
        />
        <span className="grow" />
        <button
          type="button"
          className="plain framed"
          onClick={() => setDialog({ kind: 'create' })}
          data-testid="create-lock"
        >
          <Icon name="lock" size={13} />
          Create
        </button>
      </header>
      <div className="table-scroll" aria-busy={list.stale}>
        <table className="list" data-testid="lock-list">
          <thead>
            <tr>
              <th>State</th>
              <th>Headline</th>
              <th>Devices</th>
              <th>Held</th>
              <th>From ({zoneAt(nowMs)})</th>
              <th>Kept until</th>
              <th>Created by</th>
              <ActionsHead />
            </tr>
          </thead>
          <tbody>
            {list.items.map(lock => (
              <LockLine
                key={lock.id}
                lock={lock}
                nowMs={nowMs}
                onExtend={() => setDialog({ kind: 'extend', lock })}
                onRelease={() => setDialog({ kind: 'release', lock })}
              />
            ))}
          </tbody>
        </table>
        <NotListed known={list.known} error={list.error} count={list.items.length}>
          <Empty title="No evidence locks">Mark a span in Playback (m, m, e) to create one.</Empty>
        </NotListed>
      </div>
      <ListFoot shown={list.items.length} {...list} />
      {dialog?.kind === 'create' && (
        <CreateEvidenceLockDialog deviceIds={[]} fromMs={nowMs - 600_000} toMs={nowMs} onClose={close} />
      )}
      {dialog?.kind === 'extend' && <ExtendDialog lock={dialog.lock} onClose={close} />}
      {dialog?.kind === 'release' && <ReleaseDialog lock={dialog.lock} onClose={close} />}
    </div>
  );
}
