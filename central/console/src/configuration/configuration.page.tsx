import { SegmentedControl } from '@mantine/core';
import { useState } from 'react';
import { useQuery } from '../session/use-query';
import { go, type Place } from '../shell/place';
import { type SiteDirectory, useSiteDirectory } from '../site/site-directory';
import { SiteSelect } from '../site/site-select';
import { Empty } from '../ui/field';
import { useShortcuts } from '../ui/shortcuts';
import { shortTime, shortTimeInZone, useNow } from '../ui/time';
import { TimeField } from '../ui/time-field';
import { ChangeList } from './change-list';
import { askChanges, askConfiguration, type Configuration } from './configuration';
import { ConfigurationView } from './configuration-view';
import './configuration.css';

const DAY_MS = 24 * 3600_000;
type Shown = 'earlier' | 'later';

/** What the address says: two moments of a site, and which of them is shown. */
interface Compared {
  readonly siteId: string;
  readonly fromMs: number;
  /** Null: now, and on as it passes. */
  readonly toMs: number | null;
  readonly shown: Shown;
}

function comparedAt(place: Place, { sites }: SiteDirectory, nowMs: number): Compared | null {
  const siteId = place.item ?? sites[0]?.id;
  if (siteId === undefined) return null;
  const momentOf = (name: string) => {
    const ms = Date.parse(place.parameters.get(name) ?? '');
    return Number.isNaN(ms) ? null : ms;
  };
  const toMs = momentOf('to');
  // By the minute, so that a comparison with now is not another one each second.
  const fallbackMs = Math.floor((toMs ?? nowMs) / 60_000) * 60_000 - DAY_MS;
  const shown = place.parameters.get('show') === 'earlier' ? 'earlier' : 'later';
  return { siteId, fromMs: momentOf('from') ?? fallbackMs, toMs, shown };
}

function goTo({ siteId, fromMs, toMs, shown }: Compared): void {
  go('configuration', siteId, {
    from: new Date(fromMs).toISOString(),
    ...(toMs === null ? {} : { to: new Date(toMs).toISOString() }),
    ...(shown === 'later' ? {} : { show: shown }),
  });
}

function Head({ compared, nowMs }: { readonly compared: Compared; readonly nowMs: number }) {
  const { siteId, fromMs, toMs } = compared;
  return (
    <header className="page-head">
      <h1>Configuration</h1>
      <SiteSelect
        w={150}
        value={siteId}
        onChange={id => id !== null && goTo({ ...compared, siteId: id })}
        data-testid="configuration-site"
      />
      <span className="dim">from</span>
      <TimeField
        labelHidden
        width={206}
        label="From"
        valueMs={fromMs}
        onTime={ms => goTo({ ...compared, fromMs: ms })}
        testId="configuration-from"
      />
      <span className="dim">to</span>
      <TimeField
        labelHidden
        width={206}
        label="To"
        valueMs={toMs ?? nowMs}
        onTime={ms => goTo({ ...compared, toMs: ms })}
        testId="configuration-to"
      />
      <button
        type="button"
        className="plain framed"
        aria-pressed={toMs === null}
        title="Up to now (n)"
        onClick={() => goTo({ ...compared, toMs: null })}
      >
        Now
      </button>
    </header>
  );
}

/** Which of the two moments is shown, since when it was so, and what is not known of it. */
function MomentBar({
  compared,
  configuration,
  nowMs,
}: {
  readonly compared: Compared;
  readonly configuration: Configuration | undefined;
  readonly nowMs: number;
}) {
  const site = useSiteDirectory().siteById.get(compared.siteId);
  const atMs = compared.shown === 'earlier' ? compared.fromMs : compared.toMs;
  const { unchangedSince = null, knownUntil = null, unreadableStreamCount = 0 } = configuration ?? {};
  const isBehind =
    site?.link != null &&
    site.link.state !== 'UP' &&
    (knownUntil === null || Date.parse(knownUntil) < (atMs ?? nowMs));
  return (
    <div className="moment-bar">
      <SegmentedControl
        aria-label="Shown"
        data={[
          { value: 'earlier', label: `As of ${shortTime(compared.fromMs, nowMs)}` },
          {
            value: 'later',
            label: compared.toMs === null ? 'Now' : `As of ${shortTime(compared.toMs, nowMs)}`,
          },
        ]}
        value={compared.shown}
        onChange={shown => goTo({ ...compared, shown: shown as Shown })}
      />
      {unchangedSince !== null && (
        <>
          <span
            className="dim"
            title={`Place ${configuration?.epoch}/${configuration?.position} in the log of the site`}
          >
            So since {shortTimeInZone(unchangedSince, nowMs)}
          </span>
          <button
            type="button"
            className="plain framed"
            title="Compare with the moment before (b)"
            onClick={() => goTo({ ...compared, fromMs: Date.parse(unchangedSince) - 1 })}
          >
            What was before
          </button>
        </>
      )}
      {isBehind && (
        <span className="tone-warn">
          {knownUntil === null
            ? 'Nothing of its log has arrived.'
            : `Its log has arrived up to ${shortTime(knownUntil, nowMs)}; what was altered since is not known.`}
        </span>
      )}
      {unreadableStreamCount > 0 && (
        <span className="tone-warn">
          {unreadableStreamCount} things were altered by newer software and are shown as they were before.
        </span>
      )}
    </div>
  );
}

export function ConfigurationPage({ place }: { readonly place: Place }) {
  const directory = useSiteDirectory();
  const nowMs = useNow(1000);
  const compared = comparedAt(place, directory, nowMs);
  if (compared === null) {
    return <Empty title="No sites">{directory.known ? 'No site is known here.' : 'Loading …'}</Empty>;
  }
  return <Comparison key={compared.siteId} compared={compared} nowMs={nowMs} />;
}

function Comparison({ compared, nowMs }: { readonly compared: Compared; readonly nowMs: number }) {
  const { siteId, fromMs, toMs, shown } = compared;
  const [selectedKey, setSelectedKey] = useState<string | null>(null);
  const atMs = shown === 'earlier' ? fromMs : toMs;
  const isInOrder = fromMs < (toMs ?? nowMs);
  const configuration = useQuery(
    `configuration ${siteId} ${atMs}`,
    () => askConfiguration(siteId, atMs),
    atMs === null ? ['sites', 'devices'] : [],
  );
  const changes = useQuery(
    isInOrder ? `configuration changes ${siteId} ${fromMs} ${toMs}` : null,
    () => askChanges(siteId, fromMs, toMs),
    toMs === null ? ['sites', 'devices'] : [],
  );
  const list = isInOrder ? (changes.data ?? []) : [];
  const keyOf = (index: number) => `${list[index]?.id} ${list[index]?.setting}`;
  const selected = list.findIndex((_, index) => keyOf(index) === selectedKey);
  const move = (by: number) => {
    if (list.length > 0) setSelectedKey(keyOf(Math.min(list.length - 1, Math.max(0, selected + by))));
  };
  const { unchangedSince = null } = configuration.data ?? {};
  const group = 'Configuration';
  useShortcuts([
    { keys: 'ArrowDown', label: 'Next difference', group, run: () => move(1) },
    { keys: 'ArrowUp', label: 'Previous difference', group, run: () => move(-1) },
    {
      keys: 'x',
      label: 'Show the earlier or the later moment',
      group,
      run: () => goTo({ ...compared, shown: shown === 'earlier' ? 'later' : 'earlier' }),
    },
    { keys: 'n', label: 'Up to now', group, run: () => goTo({ ...compared, toMs: null }) },
    {
      keys: 'b',
      label: 'Compare with before the last change',
      group,
      run: () => unchangedSince !== null && goTo({ ...compared, fromMs: Date.parse(unchangedSince) - 1 }),
    },
  ]);
  const error = configuration.data === undefined ? configuration.error : undefined;
  return (
    <div className="page">
      <Head compared={compared} nowMs={nowMs} />
      <div className="configuration-panes">
        <div className="page">
          <MomentBar
            compared={compared}
            configuration={configuration.stale ? undefined : configuration.data}
            nowMs={nowMs}
          />
          <div className="table-scroll" aria-busy={configuration.stale}>
            {configuration.data !== undefined && (
              <ConfigurationView
                configuration={configuration.data}
                changes={list}
                selectedId={list[selected]?.id ?? null}
              />
            )}
            {error !== undefined && <Empty title="The configuration did not come">{error.message}</Empty>}
          </div>
        </div>
        <ChangeList
          changes={list}
          stale={changes.stale}
          selected={selected}
          onSelect={index => setSelectedKey(keyOf(index))}
          onSpan={ms => goTo({ ...compared, fromMs: (toMs ?? nowMs) - ms })}
          nowMs={nowMs}
          problem={isInOrder ? changes.error?.message : 'The first moment must lie before the second.'}
          known={isInOrder && changes.data !== undefined}
        />
      </div>
    </div>
  );
}
