import { useState } from 'react';
import { requestAll } from '../session/graphql.client';
import { useQuery } from '../session/use-query';
import { hrefOf } from '../shell/place';
import { ListFoot, NotListed } from '../ui/field';
import { StateMark } from '../ui/state-mark';
import { shortTime, zoneAt } from '../ui/time';
import { type LogEpoch, type SiteWithLog, severity, stateOfLog } from './integrity';

const SITES = `query Logs($after: Cursor) { sites(first: 500, after: $after) { edges { cursor node {
  id name parent { id name } link { state since }
  log { epoch size root verifiedAt checkpoint { epoch size at } receipt { epoch size at } epochs { epoch openedAt reason previousSize } }
} } pageInfo { hasNextPage endCursor } } }`;
const LOOK_MS = 15_000;
/** What is wrong stands first: the rest is there on request. */
const LINES_AT_ONCE = 200;

const events = (count: number) => count.toLocaleString('en');

function Resets({ epochs, nowMs }: { readonly epochs: readonly LogEpoch[]; readonly nowMs: number }) {
  const resets = epochs.filter(({ previousSize }) => previousSize !== null);
  const [last] = resets;
  if (last === undefined) return <span className="dim">never</span>;
  const all = resets.map(({ epoch, openedAt, reason, previousSize }) => {
    return `Epoch ${epoch}, ${shortTime(openedAt, nowMs)}, behind ${previousSize} events: ${reason}`;
  });
  return (
    <span title={all.join('\n')}>
      {resets.length === 1 ? '' : `${resets.length} times, last `}
      {shortTime(last.openedAt, nowMs)}
      <div className="dim clip integrity-reset">{last.reason}</div>
    </span>
  );
}

/** Who beside the site has signed how far its log goes. */
function Witness({
  site,
  own,
  nowMs,
}: {
  readonly site: SiteWithLog;
  readonly own: SiteWithLog | undefined;
  readonly nowMs: number;
}) {
  const { checkpoint, receipt } = site.log;
  if (site.id === own?.id) {
    if (receipt === null) return <span className="dim">it has no parent</span>;
    return (
      <>
        {events(receipt.size)} by its parent
        <div className="dim">{shortTime(receipt.at, nowMs)}</div>
      </>
    );
  }
  if (checkpoint === null) return <span className="dim">nobody yet</span>;
  if (site.parent !== null && site.parent.id !== own?.id)
    return <span className="dim">by {site.parent.name}</span>;
  return <>{events(checkpoint.size)} by this central</>;
}

function LogLine({
  site,
  own,
  nowMs,
}: {
  readonly site: SiteWithLog;
  readonly own: SiteWithLog | undefined;
  readonly nowMs: number;
}) {
  const { log } = site;
  const state = stateOfLog(site, nowMs);
  return (
    <tr data-testid={`log-${site.id}`} data-state={state.word}>
      <td className="nowrap" title={state.detail}>
        <StateMark {...state} />
      </td>
      <td className="nowrap">
        <a className="open name" href={hrefOf('sites', site.id)} title={site.name}>
          {site.name}
        </a>
        {site.id === own?.id && <div className="dim">this central</div>}
      </td>
      <td className="nowrap">
        {events(log.size)}
        <div className="dim" title={`Root of its tree: ${log.root}`}>
          epoch {log.epoch}, <span className="mono">{log.root.slice(0, 8)}</span>
        </div>
      </td>
      <td className="nowrap">
        {log.checkpoint === null ? (
          <span className="dim">nothing</span>
        ) : (
          <>
            {events(log.checkpoint.size)}
            {log.checkpoint.epoch === log.epoch ? '' : ` of epoch ${log.checkpoint.epoch}`}
            <div className="dim">{shortTime(log.checkpoint.at, nowMs)}</div>
          </>
        )}
      </td>
      <td className="nowrap">
        {site.id === own?.id ? (
          <span className="dim">it is the original</span>
        ) : log.verifiedAt === null ? (
          <span className="dim">not yet</span>
        ) : (
          shortTime(log.verifiedAt, nowMs)
        )}
      </td>
      <td className="nowrap">
        <Witness {...{ site, own, nowMs }} />
      </td>
      <td>
        <Resets epochs={log.epochs} nowMs={nowMs} />
      </td>
    </tr>
  );
}

/** The logs that this central holds, what is wrong first. */
export function LogList({ nowMs }: { readonly nowMs: number }) {
  const ask = () => requestAll<SiteWithLog>(SITES, 'sites');
  const { data, error } = useQuery('logs', ask, ['sites'], LOOK_MS);
  const sites = data ?? [];
  const [lineCount, setLineCount] = useState(LINES_AT_ONCE);
  const own = sites.find(({ link }) => link === null);
  const rankOf = (site: SiteWithLog) => severity[stateOfLog(site, nowMs).tone] ?? 0;
  const sorted = [...sites].sort((one, other) => rankOf(one) - rankOf(other));
  return (
    <>
      <div className="table-scroll">
        <table className="list" data-testid="log-list">
          <thead>
            <tr>
              <th>State</th>
              <th>Site</th>
              <th>Events held</th>
              <th>Signed by the site ({zoneAt(nowMs)})</th>
              <th>Last verified</th>
              <th>Cosigned</th>
              <th>Reset</th>
            </tr>
          </thead>
          <tbody>
            {sorted.slice(0, lineCount).map(site => (
              <LogLine key={site.id} {...{ site, own, nowMs }} />
            ))}
          </tbody>
        </table>
        <NotListed known={data !== undefined} error={error} count={sites.length} />
      </div>
      <ListFoot
        shown={Math.min(lineCount, sites.length)}
        total={data?.length}
        hasMore={lineCount < sites.length}
        more={() => setLineCount(lineCount + LINES_AT_ONCE)}
      >
        <span className="dim">
          <span className="mono">holdfast verify</span> proves all of it again, event by event
        </span>
      </ListFoot>
    </>
  );
}
