import { Button, SegmentedControl } from '@mantine/core';
import { useRef, useState } from 'react';
import { send } from '../session/command';
import { useList } from '../session/use-list';
import { hrefOf } from '../shell/place';
import { actorInWords } from '../site/actor';
import { useSiteDirectory } from '../site/site-directory';
import { causeInWords } from '../timeline/span-state';
import { Dialog } from '../ui/dialog';
import { ActionsHead, Empty, ListFoot, NotListed } from '../ui/field';
import { type Shape, StateMark, type Tone } from '../ui/state-mark';
import { bytes, duration, shortTime, useNow, zoneAt } from '../ui/time';

type RetrievalState = 'PENDING' | 'IN_PROGRESS' | 'INTERRUPTED' | 'COMPLETED' | 'FAILED' | 'CANCELLED';
interface Retrieval {
  readonly id: string;
  readonly device: { readonly id: string; readonly name: string };
  readonly site: { readonly id: string; readonly name: string };
  readonly from: string;
  readonly to: string;
  readonly trigger: string;
  readonly state: RetrievalState;
  readonly progress: number;
  readonly transferredBytes: number;
  readonly totalBytes: number | null;
  readonly requestedAt: string;
  readonly requestedBy: string;
  readonly endedAt: string | null;
  readonly detail: string | null;
}

const RETRIEVALS = `query Retrievals($filter: RetrievalFilter, $first: Int) { retrievals(filter: $filter, first: $first) {
  edges { cursor node { id device { id name } site { id name } from to trigger state progress transferredBytes totalBytes requestedAt requestedBy endedAt detail } }
  pageInfo { hasNextPage endCursor } totalCount
} }`;
const CANCEL = 'mutation CancelRetrieval($id: ID!) { cancelRetrieval(id: $id) { id state } }';

const states: Record<RetrievalState, { word: string; tone: Tone; shape: Shape; bar: string }> = {
  PENDING: { word: 'Pending', tone: 'warn', shape: 'ring', bar: '' },
  IN_PROGRESS: { word: 'In progress', tone: 'info', shape: 'half', bar: '' },
  INTERRUPTED: { word: 'Interrupted', tone: 'warn', shape: 'triangle', bar: 'paused' },
  COMPLETED: { word: 'Completed', tone: 'good', shape: 'disc', bar: 'done' },
  FAILED: { word: 'Failed', tone: 'bad', shape: 'cross', bar: 'bad' },
  CANCELLED: { word: 'Cancelled', tone: 'none', shape: 'ring', bar: 'bad' },
};
/** As `SERVER_STOPPED` in the words of the central. */
const CAUSE = /\b[A-Z]+(?:_[A-Z]+)+\b/g;
const OPEN: readonly RetrievalState[] = ['PENDING', 'IN_PROGRESS', 'INTERRUPTED'];
const triggers: Record<string, string> = {
  ALARM: 'Alarm',
  EVIDENCE_LOCK: 'Evidence lock',
  REQUEST: 'Request',
  RULE: 'Rule',
  LINK_RESTORE: 'Link restored',
  SCHEDULE: 'Schedule',
};

/** Bytes per second between the last answers, per retrieval; what stands still for this long has no rate. */
const RATE_STALE_MS = 6_000;

function useRates(items: readonly Retrieval[], nowMs: number): (retrieval: Retrieval) => number | null {
  const seen = useRef(new Map<string, { bytes: number; atMs: number; rate: number | null }>());
  for (const { id, transferredBytes } of items) {
    const last = seen.current.get(id);
    if (last === undefined) seen.current.set(id, { bytes: transferredBytes, atMs: nowMs, rate: null });
    else if (transferredBytes > last.bytes && nowMs - last.atMs > 700) {
      const now = ((transferredBytes - last.bytes) * 1000) / (nowMs - last.atMs);
      const rate = last.rate === null ? now : last.rate * 0.6 + now * 0.4;
      seen.current.set(id, { bytes: transferredBytes, atMs: nowMs, rate });
    }
  }
  return ({ id, state }) => {
    const last = seen.current.get(id);
    return state !== 'IN_PROGRESS' || last === undefined || nowMs - last.atMs > RATE_STALE_MS
      ? null
      : last.rate;
  };
}

function RetrievalLine({
  retrieval,
  rate,
  nowMs,
  onCancel,
}: {
  readonly retrieval: Retrieval;
  readonly rate: number | null;
  readonly nowMs: number;
  readonly onCancel: () => void;
}) {
  const directory = useSiteDirectory();
  const state = states[retrieval.state];
  const detail = retrieval.detail?.replace(CAUSE, causeInWords);
  const percent = Math.round(retrieval.progress * 100);
  const total = retrieval.totalBytes === null ? '' : ` of ${bytes(retrieval.totalBytes)}`;
  const label = `${percent} %, ${bytes(retrieval.transferredBytes)}${total}`;
  return (
    <tr data-testid={`retrieval-${retrieval.id}`} data-state={retrieval.state}>
      <td>
        <StateMark {...state} />
      </td>
      <td className="nowrap">
        {retrieval.device.name}
        <div className="dim">{retrieval.site.name}</div>
      </td>
      <td className="nowrap">
        {shortTime(retrieval.from, nowMs)}
        <div className="dim">{duration(Date.parse(retrieval.to) - Date.parse(retrieval.from))}</div>
      </td>
      <td style={{ width: '30%' }}>
        <div
          className={`progress ${state.bar}`}
          role="progressbar"
          aria-label={`Progress of ${retrieval.device.name}`}
          aria-valuenow={percent}
          aria-valuemin={0}
          aria-valuemax={100}
        >
          <i style={{ width: `${retrieval.progress * 100}%` }} />
        </div>
        <div className="row dim" style={{ justifyContent: 'space-between', fontSize: 12, marginTop: 3 }}>
          <span className="clip" title={detail ?? label}>
            {detail ?? label}
          </span>
          <span className="nowrap">{rate === null ? '' : `${((rate * 8) / 1e6).toFixed(1)} Mbit/s`}</span>
        </div>
      </td>
      <td className="nowrap">
        {triggers[retrieval.trigger] ?? retrieval.trigger}
        <div className="dim">{actorInWords(retrieval.requestedBy, directory)}</div>
      </td>
      <td className="nowrap">{shortTime(retrieval.requestedAt, nowMs)}</td>
      <td className="nowrap">
        <a
          className="plain"
          href={hrefOf('playback', null, { devices: retrieval.device.id, at: retrieval.from })}
        >
          Play
        </a>
        {OPEN.includes(retrieval.state) && (
          <button
            type="button"
            className="plain"
            onClick={onCancel}
            data-testid={`cancel-retrieval-${retrieval.id}`}
          >
            Cancel
          </button>
        )}
      </td>
    </tr>
  );
}

function CancelDialog({
  retrieval,
  onClose,
}: {
  readonly retrieval: Retrieval;
  readonly onClose: () => void;
}) {
  const cancel = () => {
    void send({
      document: CANCEL,
      variables: { id: retrieval.id },
      title: 'Cancel the retrieval',
      topics: ['retrievals', 'timeline'],
    });
    onClose();
  };
  return (
    <Dialog onClose={onClose} title="Cancel the retrieval?" size="sm">
      <div className="form">
        <p style={{ margin: 0 }}>
          What was already fetched of {retrieval.device.name} stays here. The rest remains at{' '}
          {retrieval.site.name} until its retention ends.
        </p>
        <div className="form-actions">
          <Button variant="default" onClick={onClose} data-autofocus>
            Keep it going
          </Button>
          <Button color="red" onClick={cancel}>
            Cancel the retrieval
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

export function RetrievalsPage() {
  const nowMs = useNow(1000);
  const [view, setView] = useState('all');
  const [cancelling, setCancelling] = useState<Retrieval | null>(null);
  const wanted = view === 'open' ? OPEN : view === 'ended' ? ['COMPLETED', 'FAILED', 'CANCELLED'] : [];
  const list = useList<Retrieval>(RETRIEVALS, 'retrievals', wanted.length === 0 ? {} : { states: wanted }, [
    'retrievals',
  ]);
  const rateOf = useRates(list.items, nowMs);
  return (
    <div className="page">
      <header className="page-head">
        <h1>Retrievals</h1>
        <SegmentedControl
          aria-label="State"
          data={[
            { value: 'all', label: 'All' },
            { value: 'open', label: 'Open' },
            { value: 'ended', label: 'Ended' },
          ]}
          value={view}
          onChange={setView}
        />
      </header>
      <div className="table-scroll" aria-busy={list.stale}>
        <table className="list" data-testid="retrieval-list">
          <thead>
            <tr>
              <th>State</th>
              <th>Camera</th>
              <th>From ({zoneAt(nowMs)})</th>
              <th>Progress</th>
              <th>Because of</th>
              <th>Requested</th>
              <ActionsHead />
            </tr>
          </thead>
          <tbody>
            {list.items.map(retrieval => (
              <RetrievalLine
                key={retrieval.id}
                retrieval={retrieval}
                rate={rateOf(retrieval)}
                nowMs={nowMs}
                onCancel={() => setCancelling(retrieval)}
              />
            ))}
          </tbody>
        </table>
        <NotListed known={list.known} error={list.error} count={list.items.length}>
          <Empty title="No retrievals">
            They begin by themselves when a link returns, or on request from Playback.
          </Empty>
        </NotListed>
      </div>
      <ListFoot shown={list.items.length} {...list} />
      {cancelling !== null && <CancelDialog retrieval={cancelling} onClose={() => setCancelling(null)} />}
    </div>
  );
}
