import { SegmentedControl, Select, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useState } from 'react';
import { usePending } from '../session/pending-command.store';
import { useList } from '../session/use-list';
import { go, type Place } from '../shell/place';
import { EverySiteSelect } from '../site/site-select';
import { useLineFocus } from '../ui/detail-focus';
import { Empty, ListFoot, NotListed } from '../ui/field';
import { Icon } from '../ui/icon';
import { useShortcuts } from '../ui/shortcuts';
import { StateMark } from '../ui/state-mark';
import { shortTime, useNow, zoneAt } from '../ui/time';
import { ALARM_FIELDS, type Alarm, type AlarmState, alarmPriorities, alarmStates, priorityOf } from './alarm';
import { AlarmDetailPane } from './alarm-detail';
import { RaiseAlarmDialog } from './raise-alarm.dialog';
import './alarm.css';

const ALARMS = `query Alarms($filter: AlarmFilter, $first: Int) { alarms(filter: $filter, first: $first) {
  edges { cursor node { ${ALARM_FIELDS} } } pageInfo { hasNextPage endCursor } totalCount
} }`;

const VIEWS: Record<string, { label: string; states: readonly AlarmState[] }> = {
  open: { label: 'Open', states: ['NEW', 'IN_PROGRESS', 'ON_HOLD'] },
  NEW: { label: 'New', states: ['NEW'] },
  IN_PROGRESS: { label: 'In progress', states: ['IN_PROGRESS'] },
  ON_HOLD: { label: 'On hold', states: ['ON_HOLD'] },
  CLOSED: { label: 'Closed', states: ['CLOSED'] },
  all: { label: 'All', states: [] },
};

function AlarmLine({
  alarm,
  selected,
  pending,
  nowMs,
}: {
  readonly alarm: Alarm;
  readonly selected: boolean;
  readonly pending: boolean;
  readonly nowMs: number;
}) {
  return (
    <tr
      aria-selected={selected}
      data-testid={`alarm-${alarm.id}`}
      data-line={alarm.id}
      data-state={alarm.state}
      onClick={() => go('alarms', alarm.id)}
    >
      <td>
        <StateMark {...priorityOf(alarm.priority)} />
      </td>
      <td className="dim">{alarm.localNumber}</td>
      <td className="alarm-name">
        <button type="button" className="open clip" onClick={() => go('alarms', alarm.id)}>
          {alarm.name}
        </button>
        <span className="dim clip">{alarm.message}</span>
      </td>
      <td className="nowrap">
        {alarm.sourceName || '–'}
        <span className="dim alarm-site">{alarm.site.name}</span>
      </td>
      <td className="nowrap">
        {pending ? (
          <StateMark tone="warn" shape="half" word="Pending" />
        ) : (
          <StateMark {...alarmStates[alarm.state]} />
        )}
      </td>
      <td className="nowrap dim alarm-assignee">{alarm.assignedTo ?? '–'}</td>
      <td className="nowrap">{shortTime(alarm.raisedAt, nowMs)}</td>
    </tr>
  );
}

interface Filter {
  readonly view: string;
  readonly siteId: string | null;
  readonly priority: string | null;
  readonly text: string;
}

function AlarmFilters({
  filter,
  onFilter,
}: {
  readonly filter: Filter;
  readonly onFilter: (change: Partial<Filter>) => void;
}) {
  return (
    <>
      <SegmentedControl
        aria-label="State"
        data={Object.entries(VIEWS).map(([value, { label }]) => ({ value, label }))}
        value={filter.view}
        onChange={view => onFilter({ view })}
      />
      <EverySiteSelect w={136} value={filter.siteId} onChange={siteId => onFilter({ siteId })} />
      <Select
        aria-label="Priority"
        placeholder="Every priority"
        clearable
        allowDeselect
        w={120}
        data={Object.entries(alarmPriorities).map(([value, { word }]) => ({ value, label: word }))}
        value={filter.priority}
        onChange={priority => onFilter({ priority })}
      />
      <TextInput
        aria-label="Text"
        placeholder="Text"
        w={110}
        value={filter.text}
        onChange={event => onFilter({ text: event.currentTarget.value })}
      />
    </>
  );
}

/** Up and down the list without the mouse. */
function useListKeys(items: readonly Alarm[], selectedId: string | null, onRaise: () => void): void {
  const move = (by: number) => {
    const next =
      items[Math.min(items.length - 1, Math.max(0, items.findIndex(alarm => alarm.id === selectedId) + by))];
    if (next !== undefined) go('alarms', next.id);
  };
  useShortcuts([
    { keys: 'ArrowDown', label: 'Next alarm', group: 'Alarms', run: () => move(1) },
    { keys: 'ArrowUp', label: 'Previous alarm', group: 'Alarms', run: () => move(-1) },
    { keys: 'r', label: 'Raise an alarm', group: 'Alarms', run: onRaise },
    { keys: 'Escape', label: 'Close the detail', group: 'Alarms', run: () => go('alarms') },
  ]);
}

export function AlarmsPage({ place }: { readonly place: Place }) {
  const nowMs = useNow(10_000);
  const [filter, setFilter] = useState<Filter>({ view: 'open', siteId: null, priority: null, text: '' });
  const [text] = useDebouncedValue(filter.text, 250);
  const [raising, setRaising] = useState(false);
  const pending = new Set(usePending().map(({ about }) => about));
  const list = useList<Alarm>(
    ALARMS,
    'alarms',
    {
      ...(VIEWS[filter.view]?.states.length ? { states: VIEWS[filter.view]?.states } : {}),
      ...(filter.siteId === null ? {} : { siteId: filter.siteId }),
      ...(filter.priority === null ? {} : { priority: Number(filter.priority) }),
      ...(text.trim() === '' ? {} : { text: text.trim() }),
    },
    ['alarms'],
  );
  useLineFocus(place.item);
  useListKeys(list.items, place.item, () => setRaising(true));
  return (
    <div className="page">
      <header className="page-head">
        <h1>Alarms</h1>
        <AlarmFilters filter={filter} onFilter={change => setFilter({ ...filter, ...change })} />
        <span className="grow" />
        <button
          type="button"
          className="plain framed"
          onClick={() => setRaising(true)}
          data-testid="raise-alarm"
        >
          <Icon name="plus" size={13} />
          Raise
        </button>
      </header>
      <div className="alarm-panes" data-detail={place.item !== null}>
        <div className="page">
          <div className="table-scroll" aria-busy={list.stale}>
            <table className="list" data-testid="alarm-list">
              <thead>
                <tr>
                  <th>Priority</th>
                  <th>No.</th>
                  <th className="alarm-name">Alarm</th>
                  <th>Source</th>
                  <th>State</th>
                  <th className="alarm-assignee">Assigned to</th>
                  <th>Raised ({zoneAt(nowMs)})</th>
                </tr>
              </thead>
              <tbody>
                {list.items.map(alarm => (
                  <AlarmLine
                    key={alarm.id}
                    alarm={alarm}
                    nowMs={nowMs}
                    selected={alarm.id === place.item}
                    pending={pending.has(alarm.id)}
                  />
                ))}
              </tbody>
            </table>
            <NotListed known={list.known} error={list.error} count={list.items.length}>
              <Empty title="No alarms">Nothing matches the filters.</Empty>
            </NotListed>
          </div>
          <ListFoot shown={list.items.length} {...list} />
        </div>
        {place.item !== null && <AlarmDetailPane key={place.item} id={place.item} />}
      </div>
      {raising && <RaiseAlarmDialog onClose={() => setRaising(false)} />}
    </div>
  );
}
