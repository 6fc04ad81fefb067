import { SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { useIsAdministrator } from '../session/administrator';
import { request } from '../session/graphql.client';
import { useQuery } from '../session/use-query';
import { useNow } from '../ui/time';
import type { Projection } from './integrity';
import { LogList } from './log-list';
import { ProjectionList } from './projection-list';
import { QuarantineList } from './quarantine-list';
import './integrity.css';

const STATUS = `query Integrity { systemStatus { projections {
  name version state detail lag quarantinedCount checkedAt differenceCount buildProgress
  differences { description foundAt site { name } }
} } }`;
/** What is built, put aside or checked is told by no subscription. */
const LOOK_MS = 5_000;
const LOOK_BUILDING_MS = 1_000;

interface Status {
  readonly systemStatus: { readonly projections: readonly Projection[] };
}

/** Whether what this central shows is what the sites recorded, and what to do where it is not. */
export function IntegrityPage() {
  const nowMs = useNow(1000);
  const [view, setView] = useState('logs');
  const mayAct = useIsAdministrator();
  const [isBuilding, setIsBuilding] = useState(false);
  const lookMs = isBuilding ? LOOK_BUILDING_MS : LOOK_MS;
  const ask = async () => {
    const status = await request<Status>(STATUS);
    setIsBuilding(status.systemStatus.projections.some(({ buildProgress }) => buildProgress !== null));
    return status;
  };
  const { data, error, refetch } = useQuery('integrity', ask, [], lookMs);
  const projections = data?.systemStatus.projections ?? [];
  const asideCount = projections.reduce((sum, { quarantinedCount }) => sum + quarantinedCount, 0);
  const wrongCount = projections.filter(
    ({ state, differenceCount }) => state === 'HALTED' || state === 'NOT_SERVED' || differenceCount > 0,
  ).length;
  const counted = (label: string, count: number) => (count === 0 ? label : `${label} (${count})`);
  return (
    <div className="page">
      <header className="page-head">
        <h1>Integrity</h1>
        <SegmentedControl
          aria-label="What is looked at"
          data={[
            { value: 'logs', label: 'Logs' },
            { value: 'projections', label: counted('Read models', wrongCount) },
            { value: 'quarantine', label: counted('Put aside', asideCount) },
          ]}
          value={view}
          onChange={setView}
        />
      </header>
      {view === 'logs' && <LogList nowMs={nowMs} />}
      {view === 'projections' && (
        <ProjectionList
          {...{ projections, error, mayAct, nowMs }}
          isKnown={data !== undefined}
          onAsked={refetch}
        />
      )}
      {view === 'quarantine' && <QuarantineList {...{ mayAct, nowMs, lookMs }} onReleased={refetch} />}
    </div>
  );
}
