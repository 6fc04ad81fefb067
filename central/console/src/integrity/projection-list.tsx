import { Button } from '@mantine/core';
import { useState } from 'react';
import { send } from '../session/command';
import type { ApiError } from '../session/graphql.client';
import { Dialog } from '../ui/dialog';
import { ActionsHead, NotListed } from '../ui/field';
import { StateMark } from '../ui/state-mark';
import { shortTime, zoneAt } from '../ui/time';
import { type Projection, severity, stateOfProjection } from './integrity';

const REBUILD = 'mutation Rebuild($names: [String!]!) { rebuildProjections(names: $names) { name } }';

const counted = (count: number) =>
  count === 0 ? (
    <span className="dim">none</span>
  ) : (
    `${count.toLocaleString('en')} ${count === 1 ? 'event' : 'events'}`
  );

function Checked({ projection, nowMs }: { readonly projection: Projection; readonly nowMs: number }) {
  const { checkedAt, differenceCount, differences } = projection;
  if (checkedAt === null) return <span className="dim">not yet</span>;
  const [first] = differences;
  if (first === undefined)
    return (
      <>
        {shortTime(checkedAt, nowMs)}
        <div className="dim">same as the log</div>
      </>
    );
  const all = differences.map(({ description, site }) => `${site?.name ?? 'All sites'}: ${description}`);
  return (
    <span title={all.join('\n')}>
      {shortTime(checkedAt, nowMs)}, {differenceCount} {differenceCount === 1 ? 'difference' : 'differences'}
      <div className="dim clip integrity-reason">{all[0]}</div>
    </span>
  );
}

function Build({ projection }: { readonly projection: Projection }) {
  const { name, buildProgress } = projection;
  if (buildProgress === null) return null;
  const percent = Math.min(100, Math.floor(buildProgress * 100));
  return (
    <div className="integrity-build">
      <div
        className="progress"
        role="progressbar"
        aria-label={`Build of ${name}`}
        aria-valuenow={percent}
        aria-valuemin={0}
        aria-valuemax={100}
      >
        <i style={{ width: `${percent}%` }} />
      </div>
      <div className="dim">being built, {percent} %</div>
    </div>
  );
}

function RebuildDialog({
  name,
  onClose,
  onAsked,
}: {
  readonly name: string;
  readonly onClose: () => void;
  readonly onAsked: () => void;
}) {
  const rebuild = () => {
    const title = `Build ${name} anew`;
    void send({ document: REBUILD, variables: { names: [name] }, title, topics: [] }).then(onAsked);
    onClose();
  };
  return (
    <Dialog onClose={onClose} title={`Build ${name} anew?`} size="sm">
      <div className="form">
        <p style={{ margin: 0 }}>
          It is folded again from all logs that are held here. What is shown now stays until the new one is
          done; then it is replaced at once. Nothing is lost, and it can take minutes.
        </p>
        <div className="form-actions">
          <Button variant="default" onClick={onClose} data-autofocus>
            Leave it
          </Button>
          <Button onClick={rebuild} data-testid="confirm-rebuild">
            Build it anew
          </Button>
        </div>
      </div>
    </Dialog>
  );
}

/** What queries are answered from: how current it is, and whether it is what the logs say. */
export function ProjectionList({
  projections,
  isKnown,
  error,
  mayAct,
  nowMs,
  onAsked,
}: {
  readonly projections: readonly Projection[];
  readonly isKnown: boolean;
  readonly error: ApiError | undefined;
  readonly mayAct: boolean;
  readonly nowMs: number;
  readonly onAsked: () => void;
}) {
  const rankOf = (projection: Projection) => severity[stateOfProjection(projection).tone] ?? 0;
  const sorted = [...projections].sort((one, other) => rankOf(one) - rankOf(other));
  const [rebuilding, setRebuilding] = useState<string | null>(null);
  return (
    <div className="table-scroll">
      <table className="list" data-testid="projection-list">
        <thead>
          <tr>
            <th>State</th>
            <th>Read model</th>
            <th>Behind</th>
            <th>Put aside</th>
            <th>Compared with the log ({zoneAt(nowMs)})</th>
            <ActionsHead />
          </tr>
        </thead>
        <tbody>
          {sorted.map(projection => (
            <tr key={projection.name} data-testid={`projection-${projection.name}`}>
              <td className="nowrap" title={stateOfProjection(projection).detail}>
                <StateMark {...stateOfProjection(projection)} />
              </td>
              <td className="nowrap">
                {projection.name}
                {projection.detail !== null && (
                  <div className="dim clip integrity-reason" title={projection.detail}>
                    {projection.detail}
                  </div>
                )}
              </td>
              <td className="nowrap">{counted(projection.lag)}</td>
              <td className="nowrap">{counted(projection.quarantinedCount)}</td>
              <td className="nowrap">
                <Checked projection={projection} nowMs={nowMs} />
              </td>
              <td className="nowrap">
                <Build projection={projection} />
                {mayAct && projection.buildProgress === null && (
                  <button
                    type="button"
                    className="plain"
                    onClick={() => setRebuilding(projection.name)}
                    data-testid={`rebuild-${projection.name}`}
                  >
                    Build anew
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <NotListed known={isKnown} error={error} count={projections.length} />
      {rebuilding !== null && (
        <RebuildDialog name={rebuilding} onClose={() => setRebuilding(null)} onAsked={onAsked} />
      )}
    </div>
  );
}
