import { useEffect, useRef } from 'react';
import { actorInWords } from '../site/actor';
import { useSiteDirectory } from '../site/site-directory';
import { Empty } from '../ui/field';
import { type Shape, StateMark, type Tone } from '../ui/state-mark';
import { shortTimeInZone } from '../ui/time';
import { kindWords, settingInWords, valuesInWords } from './change-in-words';
import type { ChangeKind, ConfigurationChange } from './configuration';

export const changeMarks: Record<ChangeKind, { word: string; tone: Tone; shape: Shape }> = {
  ADDED: { word: 'Added', tone: 'good', shape: 'disc' },
  REMOVED: { word: 'Removed', tone: 'bad', shape: 'cross' },
  ALTERED: { word: 'Altered', tone: 'info', shape: 'diamond' },
};

const HOUR_MS = 3600_000;
const SPANS: readonly { readonly label: string; readonly ms: number }[] = [
  { label: '1 h', ms: HOUR_MS },
  { label: '1 d', ms: 24 * HOUR_MS },
  { label: '7 d', ms: 7 * 24 * HOUR_MS },
  { label: '30 d', ms: 30 * 24 * HOUR_MS },
];

interface ChangeListProps {
  /** The newest first. */
  readonly changes: readonly ConfigurationChange[];
  /** They are those of two other moments. */
  readonly stale: boolean;
  /** Index; below 0: none. */
  readonly selected: number;
  readonly onSelect: (index: number) => void;
  /** To look back so far from the later moment. */
  readonly onSpan: (ms: number) => void;
  readonly nowMs: number;
  readonly problem: string | undefined;
  readonly known: boolean;
}

/** What differs at the later moment from the earlier one, by whom and when. */
export function ChangeList(props: ChangeListProps) {
  const { changes, stale, selected, onSelect, onSpan, nowMs, problem, known } = props;
  return (
    <aside className="changes" aria-label="Differences" data-testid="configuration-changes">
      <header className="row">
        <h2 className="grow">
          {stale
            ? 'Asking …'
            : known
              ? changes.length === 1
                ? '1 difference'
                : `${changes.length} differences`
              : 'Differences'}
        </h2>
        {SPANS.map(({ label, ms }) => (
          <button
            key={label}
            type="button"
            className="plain"
            title={`Of the last ${label}`}
            onClick={() => onSpan(ms)}
          >
            {label}
          </button>
        ))}
      </header>
      {problem !== undefined && <Empty title="Not compared">{problem}</Empty>}
      {problem === undefined && known && changes.length === 0 && (
        <Empty title="No difference">
          Both moments are alike. What was altered and altered back in between is in Events.
        </Empty>
      )}
      <ol aria-busy={stale}>
        {changes.map((change, index) => (
          <li key={`${change.id} ${change.setting}`}>
            <Change
              change={change}
              selected={index === selected}
              onSelect={() => onSelect(index)}
              nowMs={nowMs}
            />
          </li>
        ))}
      </ol>
    </aside>
  );
}

function Change({
  change,
  selected,
  onSelect,
  nowMs,
}: {
  readonly change: ConfigurationChange;
  readonly selected: boolean;
  readonly onSelect: () => void;
  readonly nowMs: number;
}) {
  const directory = useSiteDirectory();
  const nameOf = (id: string) =>
    directory.sites.flatMap(site => site.recordingServers).find(server => server.id === id)?.name;
  const { event, setting } = change;
  const values = setting === null ? null : valuesInWords(setting, change, nameOf);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (selected) button.current?.scrollIntoView({ block: 'nearest' });
  }, [selected]);
  return (
    <button ref={button} type="button" className="change" aria-pressed={selected} onClick={onSelect}>
      <span className="row">
        <StateMark {...changeMarks[change.change]} />
        <span className="grow clip">
          <b>{change.name}</b> <span className="dim">{kindWords[change.kind].toLowerCase()}</span>
        </span>
      </span>
      {values !== null && (
        <span className="change-values">
          {settingInWords(setting ?? '')}: <s>{values.before}</s> <span aria-hidden="true">→</span>{' '}
          {values.after}
        </span>
      )}
      <span className="dim">
        {shortTimeInZone(event.recordedAt, nowMs)}, {actorInWords(event.actor, directory)}
      </span>
    </button>
  );
}
