import { useState } from 'react';
import { send } from '../session/command';
import { type Connection, request } from '../session/graphql.client';
import { useQuery } from '../session/use-query';
import { ActionsHead, Empty, ListFoot, NotListed } from '../ui/field';
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

const release = (projection: string) =>
  send<Release>({
    ...{ document: RELEASE, variables: { projection }, topics: [] },
    title: `Try again what ${projection} has put aside`,
    report: ({ releaseQuarantine: { foldedCount, leftCount } }) => ({
      tone: leftCount === 0 ? 'good' : 'bad',
      text: `${foldedCount} events are shown now, ${leftCount} stay put aside.`,
    }),
  });

/** Events that a read model does not show, and why. */
export function QuarantineList({
  mayAct,
  nowMs,
  lookMs,
  onReleased,
}: {
  readonly mayAct: boolean;
  readonly nowMs: number;
  readonly lookMs: number;
  readonly onReleased: () => void;
}) {
  const ask = () =>
    request<{ quarantinedEvents: Connection<QuarantinedEvent> }>(QUARANTINE, { first: LINES_MAX });
  const { data, error, refetch } = useQuery('quarantine', ask, [], lookMs);
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
              <ActionsHead />
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
        <NotListed known={data !== undefined} error={error} count={edges.length}>
          <Empty title="Nothing is put aside">Every event of every log is shown.</Empty>
        </NotListed>
      </div>
      <ListFoot shown={edges.length} total={data?.quarantinedEvents.totalCount} />
    </>
  );
}
