import { Switch } from '@mantine/core';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { CreateEvidenceLockDialog } from '../evidence-lock/create-evidence-lock.dialog';
import { requestRetrieval } from '../retrieval/request-retrieval';
import { go, type Place, replacePlace } from '../shell/place';
import { useSiteDirectory } from '../site/site-directory';
import { Timeline } from '../timeline/timeline';
import {
  isWithin,
  type KnownSpans,
  placeAt,
  type Span,
  turnPage,
  type View,
  zoom,
} from '../timeline/timeline.geometry';
import { useTimeline } from '../timeline/use-timeline';
import { Icon } from '../ui/icon';
import { notify } from '../ui/notice.store';
import { useNow } from '../ui/time';
import { TimeField } from '../ui/time-field';
import type { PlaybackClock, PlaybackState } from './playback.clock';
import { keepPlayed, lastPlayed, PLAYBACK_LIMIT, toggled } from './playback-devices.store';
import { usePlaybackShortcuts } from './playback-shortcuts';
import { PlaybackTile } from './playback-tile';
import { type Selection, SelectionBar } from './selection-bar';
import { TransportBar } from './transport-bar';
import { usePlaybackClock } from './use-playback-clock';
import '../live/live.css';
import './playback.css';

const MINUTE_MS = 60_000;
const FIRST_VIEW_MS = 60 * MINUTE_MS;
const BEFORE_PRESENT_MS = 30_000;
const PAGE_INTERVAL_MS = 300;

const startOf = (place: Place): number => {
  const at = Date.parse(place.parameters.get('at') ?? '');
  return Number.isNaN(at) ? Date.now() - BEFORE_PRESENT_MS : at;
};

function useDevices(place: Place): readonly string[] {
  const directory = useSiteDirectory();
  const named = place.parameters.get('devices');
  return useMemo(() => {
    const wanted = named === null ? lastPlayed() : named.split(',').filter(id => id !== '');
    const known = wanted
      .filter(id => !directory.known || directory.deviceById.has(id))
      .slice(0, PLAYBACK_LIMIT);
    const first = directory.devices.find(device => device.type === 'CAMERA');
    return known.length === 0 && named === null && first !== undefined ? [first.id] : known;
  }, [named, directory]);
}

/** The view that shows where playing starts; it turns its page when the playhead leaves it, unless the operator holds it. */
function useView(clock: PlaybackClock, playing: boolean) {
  const [view, setView] = useState<View>(() =>
    placeAt(
      { fromMs: 0, toMs: FIRST_VIEW_MS },
      Math.min(clock.positionMs, Date.now() - 0.1 * FIRST_VIEW_MS),
      0.7,
    ),
  );
  const isHeld = useRef(false);
  useEffect(() => {
    let seenMs = clock.positionMs;
    const timer = setInterval(() => {
      if (isHeld.current) return;
      const [fromMs, toMs] = [seenMs, clock.positionMs];
      seenMs = toMs;
      setView(last => turnPage(last, fromMs, toMs));
    }, PAGE_INTERVAL_MS);
    return () => clearInterval(timer);
  }, [clock]);
  const reveal = useCallback(
    () => setView(last => (isWithin(last, clock.positionMs) ? last : placeAt(last, clock.positionMs, 0.5))),
    [clock],
  );
  useEffect(() => {
    if (playing) reveal();
  }, [playing, reveal]);
  const hold = (held: boolean) => {
    isHeld.current = held;
  };
  return { view, setView, reveal, hold };
}

export function PlaybackPage({ place }: { readonly place: Place }) {
  const { clock, state } = usePlaybackClock(startOf(place));
  const deviceIds = useDevices(place);
  useEffect(() => keepPlayed(deviceIds), [deviceIds]);
  if (clock === null || state === null) return <div className="page" />;
  return <Player clock={clock} state={state} deviceIds={deviceIds} place={place} />;
}

function useSelection(clock: PlaybackClock) {
  const [selection, setSelection] = useState<Selection | null>(null);
  const [markMs, setMarkMs] = useState<number | null>(null);
  const mark = () => {
    const at = clock.positionMs;
    if (markMs === null) {
      setSelection(null);
      setMarkMs(at);
    } else {
      setMarkMs(null);
      setSelection({ fromMs: Math.min(markMs, at), toMs: Math.max(markMs, at) + 1 });
    }
  };
  const clear = () => {
    setSelection(null);
    setMarkMs(null);
  };
  return { selection, setSelection, markMs, mark, clear };
}

/** Asks for what the cameras have elsewhere; what is held here already is not asked for again. */
async function requestMissing(
  deviceIds: readonly string[],
  spans: ReadonlyMap<string, KnownSpans>,
  { fromMs, toMs }: Selection,
): Promise<void> {
  const isElsewhere = ({ state, ...span }: Span) =>
    (state === 'REMOTE' || state === 'UNKNOWN') && span.fromMs < toMs && span.toMs > fromMs;
  // Of what lies beyond the timeline that is loaded nothing is known.
  const isHeld = (known: KnownSpans | undefined) =>
    known !== undefined && known.fromMs <= fromMs && known.toMs >= toMs && !known.spans.some(isElsewhere);
  const missing = deviceIds.filter(id => !isHeld(spans.get(id)));
  if (missing.length > 0) return requestRetrieval(missing, fromMs, toMs);
  notify({
    tone: 'good',
    title: 'Nothing to retrieve',
    text: 'All that was recorded in this span is held here.',
  });
}

/** The address follows the playhead, so that reload, sign-in and a shared link lead back to the same picture. */
function useAddress(clock: PlaybackClock, deviceIds: readonly string[]): void {
  useEffect(() => {
    const timer = setInterval(() => {
      if (!location.hash.startsWith('#/playback')) return;
      replacePlace('playback', null, {
        devices: deviceIds.join(),
        at: new Date(clock.positionMs).toISOString(),
      });
    }, 2_000);
    return () => clearInterval(timer);
  }, [clock, deviceIds]);
}

interface PlayerProps {
  readonly clock: PlaybackClock;
  readonly state: PlaybackState;
  readonly deviceIds: readonly string[];
  readonly place: Place;
}

function Player({ clock, state, deviceIds, place }: PlayerProps) {
  const directory = useSiteDirectory();
  const nowMs = useNow(1000);
  const asked = place.parameters.get('at');
  const { view, setView, reveal, hold } = useView(clock, state.playing);
  const { selection, setSelection, markMs, mark, clear } = useSelection(clock);
  const [locking, setLocking] = useState(false);
  const [muted, setMuted] = useState(true);
  const timeline = useTimeline(deviceIds, view);
  useAddress(clock, deviceIds);
  useEffect(() => {
    for (const [deviceId, known] of timeline.spans) clock.setSpans(deviceId, known);
  }, [timeline, clock]);
  const seek = (ms: number) => {
    clock.seek(ms);
    reveal();
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: only who goes somewhere moves the playhead, be it where he went before.
  useEffect(() => {
    if (asked !== null) seek(Date.parse(asked));
  }, [place]);
  const step = (pictures: number) => {
    clock.step(pictures);
    reveal();
  };
  const present = () => seek(Date.now() - BEFORE_PRESENT_MS / 6);
  const zoomBy = (factor: number) =>
    setView(last =>
      zoom(last, factor, isWithin(last, clock.positionMs) ? clock.positionMs : (last.fromMs + last.toMs) / 2),
    );
  const retrieve = () => {
    if (selection !== null) void requestMissing(deviceIds, timeline.spans, selection);
  };
  const lock = () => setLocking(selection !== null);
  usePlaybackShortcuts(clock, {
    mark,
    clear,
    retrieve,
    lock,
    reveal,
    step,
    zoom: zoomBy,
    present,
    sound: () => setMuted(!muted),
  });
  const show = (ids: readonly string[]) =>
    go('playback', null, { devices: ids.join(), at: new Date(clock.positionMs).toISOString() });
  const lanes = deviceIds.map(deviceId => {
    const device = directory.deviceById.get(deviceId);
    const siteName = directory.siteById.get(device?.site.id ?? '')?.name ?? '';
    const spans = timeline.spans.get(deviceId)?.spans ?? [];
    return { deviceId, name: device?.name ?? deviceId, siteName, spans };
  });
  const soundPlays = state.speed === 1 && state.direction > 0;
  const columns = deviceIds.length > 1 ? 2 : 1;
  return (
    <div className="page">
      <header className="page-head">
        <h1>Playback</h1>
        <span className="dim clip grow">
          {deviceIds.length === 0
            ? 'Choose up to four cameras in the tree'
            : `${deviceIds.length} of ${PLAYBACK_LIMIT} cameras, chosen in the tree`}
        </span>
        <Switch
          label="Skip gaps"
          checked={state.skipGaps}
          onChange={event => clock.change({ skipGaps: event.currentTarget.checked })}
        />
        <button
          type="button"
          className="plain"
          title={soundPlays ? 'Sound of the first camera (s)' : 'Sound is played at 1× only'}
          aria-pressed={!muted}
          onClick={() => setMuted(!muted)}
        >
          <Icon name={muted ? 'muted' : 'volume'} />
          Sound
        </button>
        <JumpTo clock={clock} onJump={seek} />
      </header>
      <div
        className="live-grid"
        style={{
          gridTemplate: `repeat(${deviceIds.length > 2 ? 2 : 1}, minmax(0, 1fr)) / repeat(${columns}, minmax(0, 1fr))`,
        }}
        data-testid="playback-grid"
      >
        {deviceIds.map(deviceId => (
          <PlaybackTile
            key={deviceId}
            deviceId={deviceId}
            clock={clock}
            muted={muted || !soundPlays || deviceId !== deviceIds[0]}
            onClose={() => show(toggled(deviceIds, deviceId))}
          />
        ))}
        {deviceIds.length === 0 && <p className="tile-free">No camera is chosen</p>}
      </div>
      <TransportBar clock={clock} state={state} onStep={step} onZoom={zoomBy} onPresent={present}>
        <SelectionBar
          selection={selection}
          markMs={markMs}
          onRetrieve={retrieve}
          onLock={lock}
          onClear={clear}
        />
      </TransportBar>
      <Timeline
        {...{ view, lanes, selection, markMs, nowMs }}
        {...{ alarms: timeline.alarms, locks: timeline.locks, problem: timeline.problem }}
        playheadMs={() => clock.positionMs}
        onView={setView}
        onHold={hold}
        onSeek={seek}
        onSelect={setSelection}
        onAlarm={alarmId => go('alarms', alarmId)}
      />
      {locking && selection !== null && (
        <CreateEvidenceLockDialog
          deviceIds={deviceIds}
          fromMs={selection.fromMs}
          toMs={selection.toMs}
          onClose={() => setLocking(false)}
        />
      )}
    </div>
  );
}

function JumpTo({ clock, onJump }: { readonly clock: PlaybackClock; readonly onJump: (ms: number) => void }) {
  const [atMs, setAt] = useState(() => Math.floor(clock.positionMs / 1000) * 1000);
  return (
    <form
      className="row"
      onSubmit={event => {
        event.preventDefault();
        onJump(atMs);
      }}
    >
      <TimeField label="Date and time" labelHidden valueMs={atMs} onTime={setAt} width={206} />
      <button type="submit" className="plain framed">
        Go to
      </button>
    </form>
  );
}
