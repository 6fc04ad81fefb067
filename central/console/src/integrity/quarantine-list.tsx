import { useState } from 'react';
import { type Connection, request } from '../session/graphql.client';
import { useQuery } from '../session/use-query';
import { Empty, ListFoot } from '../ui/field';
import { notify } from '../ui/notice.store';
import { StateMark } from '../ui/state-mark';
import { shortTime, zoneAt } from '../ui/time';
import { type QuarantinedEvent, stateOfQuarantined } from './integrity';

const QUARANTINE = `query Quarantine($first: Int) { quarantinedEvents(first: $first) {
  edges { cursor node { projection stream status reason at attempts site { name } event { id type } } }
  pageInfo { hasNextPage endCursor } totalCount
} }`;
const RELEASE =
  'mutation Release($projection: String!) { releaseQuarantine(projection: $projection) { foldedCount leftCount } }';
const LINES_MAX = 500;

interface Release {
  readonly releaseQuarantine: { readonly foldedCount: number; readonly leftCount: number };
}

async function release(projection: string): Promise<void> {
  const title = `Try again what ${projection} has put aside`;
  try {
    const { releaseQuarantine } = await request<Release>(RELEASE, { projection });
    const { foldedCount, leftCount } = releaseQuarantine;
    notify({
      tone: leftCount === 0 ? 'good' : 'bad',
      title,
      text: `${foldedCount} events are shown now, ${leftCount} stay put aside.`,
    });
  } catch (error) {
    notify({ tone: 'bad', title, text: error instanceof Error ? error.message : String(error) });
  }
}

/** Events that a read model does not show, and why. */
export function QuarantineList({
  mayAct,
  nowMs,
  round,
  onReleased,
}: {
  readonly mayAct: boolean;
  readonly nowMs: number;
  readonly round: number;
  readonly onReleased: () => void;
}) {
  const ask = () =>
    request<{ quarantinedEvents: Connection<QuarantinedEvent> }>(QUARANTINE, { first: LINES_MAX });
  const { data, error, refetch } = useQuery(`quarantine ${round}`, ask, []);
  const [releasing, setReleasing] = useState<string | null>(null);
  const edges = data?.quarantinedEvents.edges ?? [];
  const firstOf = new Set<string>();
  const tryAgain = (projection: string) => {
    setReleasing(projection);
    void release(projection).finally(() => {
      setReleasing(null);
      refetch();
      onReleased();
    });
  };
  return (
    <>
      <div className="table-scroll">
        <table className="list" data-testid="quarantine-list">
          <thead>
            <tr>
              <th>State</th>
              <th>Read model</th>
              <th>Event</th>
              <th>Site</th>
              <th>Cause</th>
              <th>Tried ({zoneAt(nowMs)})</th>
              <th>
                <span className="hidden-text">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {edges.map(({ cursor, node: item }) => {
              const isFirst = !firstOf.has(item.projection);
              firstOf.add(item.projection);
              return (
                <tr key={cursor}>
                  <td className="nowrap" title={stateOfQuarantined(item).detail}>
                    <StateMark {...stateOfQuarantined(item)} />
                  </td>
                  <td className="nowrap">{item.projection}</td>
                  <td className="nowrap">
                    {item.event?.type ?? 'truncated since'}
                    <div className="dim mono clip integrity-reason" title={item.stream}>
                      {item.stream}
                    </div>
                  </td>
                  <td className="nowrap">{item.site?.name ?? 'not known yet'}</td>
                  <td title={item.reason}>
                    <div className="integrity-cause">{item.reason}</div>
                  </td>
                  <td className="nowrap">
                    {shortTime(item.at, nowMs)}
                    <div className="dim">{item.attempts === 1 ? 'once' : `${item.attempts} times`}</div>
                  </td>
                  <td className="nowrap">
                    {mayAct && isFirst && (
                      <button
                        type="button"
                        className="plain"
                        disabled={releasing !== null}
                        onClick={() => tryAgain(item.projection)}
                        title={`Tries all that ${item.projection} has put aside, in order`}
                        data-testid={`release-${item.projection}`}
                      >
                        {releasing === item.projection ? 'Trying…' : 'Try all again'}
                      </button>
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
        {data !== undefined && edges.length === 0 && (
          <Empty title="Nothing is put aside">Every event of every log is shown.</Empty>
        )}
        {data === undefined && error !== undefined && (
          <Empty title="The list did not come">{error.message}</Empty>
        )}
      </div>
      <ListFoot
        shown={edges.length}
        total={data?.quarantinedEvents.totalCount}
        hasMore={false}
        onMore={() => undefined}
      />
    </>
  );
}
