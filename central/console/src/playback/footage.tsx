import { useEffect, useMemo } from 'react';
import { hrefOf } from '../shell/place';
import { useTimeline } from '../timeline/use-timeline';
import { Icon } from '../ui/icon';
import { PlaybackTile } from './playback-tile';
import { PositionReadout } from './position-readout';
import { usePlaybackClock } from './use-playback-clock';
import '../live/live.css';
import './playback.css';

const BEFORE_MS = 5_000;
const AROUND_MS = 10 * 60_000;

/** A camera around one instant, such as the time of an alarm. Give it a key that changes with the instant. */
export function Footage({ deviceId, atMs }: { readonly deviceId: string; readonly atMs: number }) {
  const startMs = atMs - BEFORE_MS;
  const { clock, state } = usePlaybackClock(startMs);
  const deviceIds = useMemo(() => [deviceId], [deviceId]);
  const timeline = useTimeline(deviceIds, { fromMs: atMs - AROUND_MS, toMs: atMs + AROUND_MS });
  useEffect(() => {
    for (const [id, spans] of timeline.spans) clock?.setSpans(id, spans);
  }, [timeline, clock]);
  if (clock === null || state === null) return <div className="footage" />;
  return (
    <div className="footage">
      <div className="footage-picture">
        <PlaybackTile deviceId={deviceId} clock={clock} muted />
      </div>
      <div className="footage-bar">
        <button
          type="button"
          className="plain square"
          aria-label={state.playing ? 'Pause' : 'Play'}
          onClick={() => clock.change({ playing: !state.playing })}
        >
          <Icon name={state.playing ? 'pause' : 'play'} />
        </button>
        <button type="button" className="plain" onClick={() => clock.seek(startMs)}>
          From the start
        </button>
        <PositionReadout clock={clock} />
        <span className="grow" />
        <a
          className="plain"
          href={hrefOf('playback', null, { devices: deviceId, at: new Date(startMs).toISOString() })}
        >
          Playback
        </a>
      </div>
    </div>
  );
}
