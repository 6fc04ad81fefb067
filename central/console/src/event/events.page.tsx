import { MultiSelect, Select, Switch, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useRef, useState } from 'react';
import { useList } from '../session/use-list';
import { go, type Place } from '../shell/place';
import { actorInWords } from '../site/actor';
import { deviceOptions, OPTIONS_SHOWN_MAX } from '../site/device-options';
import { useSiteDirectory } from '../site/site-directory';
import { EverySiteSelect } from '../site/site-select';
import { useDetailFocus, useLineFocus } from '../ui/detail-focus';
import { Empty, Fact, ListFoot, NotListed } from '../ui/field';
import { Icon } from '../ui/icon';
import { useShortcuts } from '../ui/shortcuts';
import { clockMs, dayAndClock, shortTime, useNow, zoneAt } from '../ui/time';
import './event.css';

interface LogEvent {
  readonly id: string;
  readonly site: { readonly id: string; readonly name: string };
  readonly epoch: number;
  readonly position: number;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly version: number;
  readonly recordedAt: string;
  readonly occurredAt: string;
  readonly actor: string;
  readonly causationId: string | null;
  readonly correlationId: string | null;
  readonly data: string;
}

const EVENTS = `query Events($filter: EventFilter, $first: Int) { events(filter: $filter, first: $first) {
  edges { cursor node { id site { id name } epoch position stream revision type version recordedAt occurredAt actor causationId correlationId data } }
  pageInfo { hasNextPage endCursor } totalCount
} }`;

interface Filter {
  readonly siteId: string | null;
  readonly deviceId: string | null;
  readonly types: readonly string[];
  readonly stream: string;
}

/** `EvidenceLockExtended` reads as "Evidence lock extended". */
const inWords = (type: string): string => {
  const words = type.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

function pretty(data: string): string {
  try {
    return JSON.stringify(JSON.parse(data), null, 2);
  } catch {
    return data;
  }
}

function EventDetail({ event }: { readonly event: LogEvent }) {
  const pane = useDetailFocus(event.id, event.id);
  return (
    <aside className="event-detail" ref={pane} tabIndex={-1} aria-label="Event" data-testid="event-detail">
      <header className="row">
        <h2 className="grow clip">{inWords(event.type)}</h2>
        <button
          type="button"
          className="plain square"
          aria-label="Close the detail"
          onClick={() => go('events')}
        >
          <Icon name="close" />
        </button>
      </header>
      <dl className="facts">
        <Fact name="Type">
          <span className="mono">
            {event.type} v{event.version}
          </span>
        </Fact>
        <Fact name="Site">{event.site.name}</Fact>
        <Fact name="Place in the log">
          epoch {event.epoch}, position {event.position}
        </Fact>
        <Fact name="Stream">
          <span className="mono">
            {event.stream} @ {event.revision}
          </span>
        </Fact>
        <Fact name="Recorded">
          {dayAndClock(event.recordedAt)}.{clockMs(event.recordedAt).slice(-3)} {zoneAt(event.recordedAt)}
        </Fact>
        <Fact name="Occurred">
          {dayAndClock(event.occurredAt)}.{clockMs(event.occurredAt).slice(-3)} {zoneAt(event.occurredAt)}
        </Fact>
        <Fact name="Actor">{event.actor}</Fact>
        <Fact name="Id">
          <span className="mono">{event.id}</span>
        </Fact>
        {event.causationId !== null && (
          <Fact name="Caused by">
            <span className="mono">{event.causationId}</span>
          </Fact>
        )}
        {event.correlationId !== null && (
          // Nothing else of ours belongs to another event.
          <Fact name="Taken over, unsigned, by salvage">
            <span className="mono">{event.correlationId}</span>
          </Fact>
        )}
      </dl>
      <pre className="mono event-data">{pretty(event.data)}</pre>
    </aside>
  );
}

function Filters({
  filter,
  types,
  onFilter,
}: {
  readonly filter: Filter;
  readonly types: readonly string[];
  readonly onFilter: (change: Partial<Filter>) => void;
}) {
  const directory = useSiteDirectory();
  return (
    <>
      <EverySiteSelect w={150} value={filter.siteId} onChange={siteId => onFilter({ siteId })} />
      <Select
        aria-label="Device"
        placeholder="Every device"
        clearable
        allowDeselect
        searchable
        limit={OPTIONS_SHOWN_MAX}
        nothingFoundMessage="No such device"
        w={150}
        data={deviceOptions(directory)}
        value={filter.deviceId}
        onChange={deviceId => onFilter({ deviceId })}
      />
      <MultiSelect
        className="event-types"
        aria-label="Types"
        placeholder={filter.types.length === 0 ? 'Every type' : ''}
        clearable
        searchable
        w={250}
        data={[...types]}
        value={[...filter.types]}
        onChange={chosen => onFilter({ types: chosen })}
      />
      <TextInput
        aria-label="Stream"
        placeholder="Stream"
        w={120}
        value={filter.stream}
        onChange={event => onFilter({ stream: event.currentTarget.value })}
      />
    </>
  );
}

/** Every type that was seen on this page, so that the choice does not shrink with the filter. */
function useSeenTypes(events: readonly LogEvent[]): readonly string[] {
  const seen = useRef(new Set<string>());
  for (const event of events) seen.current.add(event.type);
  return [...seen.current].sort();
}

export function EventsPage({ place }: { readonly place: Place }) {
  const nowMs = useNow(10_000);
  const [filter, setFilter] = useState<Filter>(() => ({
    ...{ siteId: place.parameters.get('site'), deviceId: null, types: [], stream: '' },
  }));
  const [stream] = useDebouncedValue(filter.stream, 250);
  const [following, setFollowing] = useState(true);
  const list = useList<LogEvent>(
    EVENTS,
    'events',
    {
      ...(filter.siteId === null ? {} : { siteId: filter.siteId }),
      ...(filter.deviceId === null ? {} : { deviceId: filter.deviceId }),
      ...(filter.types.length === 0 ? {} : { types: filter.types }),
      ...(stream.trim() === '' ? {} : { stream: stream.trim() }),
    },
    following ? ['events'] : [],
  );
  useLineFocus(place.item);
  const types = useSeenTypes(list.items);
  const found = list.items.find(event => event.id === place.item);
  // What is being read stays, also when newer events push it out of the list.
  const read = useRef<LogEvent | undefined>(undefined);
  if (found !== undefined) read.current = found;
  const selected = place.item === null || read.current?.id !== place.item ? undefined : read.current;
  const move = (by: number) => {
    const next =
      list.items[
        Math.min(
          list.items.length - 1,
          Math.max(0, list.items.findIndex(event => event.id === place.item) + by),
        )
      ];
    if (next !== undefined) go('events', next.id);
  };
  useShortcuts([
    { keys: 'ArrowDown', label: 'Next event', group: 'Events', run: () => move(1) },
    { keys: 'ArrowUp', label: 'Previous event', group: 'Events', run: () => move(-1) },
    { keys: 'f', label: 'Follow new events, or stay', group: 'Events', run: () => setFollowing(!following) },
    { keys: 'Escape', label: 'Close the detail', group: 'Events', run: () => go('events') },
  ]);
  return (
    <div className="page">
      <header className="page-head">
        <h1>Events</h1>
        <Filters filter={filter} types={types} onFilter={change => setFilter({ ...filter, ...change })} />
        <span className="grow" />
        <Switch
          label="Follow"
          checked={following}
          onChange={event => setFollowing(event.currentTarget.checked)}
        />
      </header>
      <div className="event-panes" data-detail={selected !== undefined}>
        <div className="page">
          <div className="table-scroll" aria-busy={list.stale}>
            <EventTable events={list.items} selectedId={place.item} nowMs={nowMs} />
            <NotListed known={list.known} error={list.error} count={list.items.length}>
              <Empty title="No events">Nothing matches the filters.</Empty>
            </NotListed>
          </div>
          <ListFoot shown={list.items.length} {...list} />
        </div>
        {selected !== undefined && <EventDetail event={selected} />}
      </div>
    </div>
  );
}

function EventTable({
  events,
  selectedId,
  nowMs,
}: {
  readonly events: readonly LogEvent[];
  readonly selectedId: string | null;
  readonly nowMs: number;
}) {
  const directory = useSiteDirectory();
  return (
    <table className="list events" data-testid="event-list">
      <thead>
        <tr>
          <th>Recorded ({zoneAt(nowMs)})</th>
          <th>Event</th>
          <th>Site</th>
          <th>Position</th>
          <th className="event-stream">Stream</th>
          <th className="event-actor">Actor</th>
        </tr>
      </thead>
      <tbody>
        {events.map(event => (
          <tr
            key={event.id}
            aria-selected={event.id === selectedId}
            data-testid={`event-${event.position}`}
            data-line={event.id}
            data-type={event.type}
            onClick={() => go('events', event.id)}
          >
            <td className="nowrap">{shortTime(event.recordedAt, nowMs)}</td>
            <td className="nowrap">
              <button type="button" className="open" onClick={() => go('events', event.id)}>
                {inWords(event.type)}
              </button>
            </td>
            <td>
              <span className="name" title={event.site.name}>
                {event.site.name}
              </span>
            </td>
            <td className="dim">{event.position}</td>
            <td className="mono dim event-stream">
              <span className="clip">{event.stream}</span>
            </td>
            <td className="dim nowrap event-actor" title={event.actor}>
              {actorInWords(event.actor, directory)}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
