import { type DragEvent, type RefObject, useCallback, useEffect, useRef, useState } from 'react';
import { saveSnapshot } from '../media/save-snapshot';
import { go } from '../shell/place';
import { type Device, type Site, useSiteDirectory } from '../site/site-directory';
import { DEVICE_MEDIA_TYPE } from '../site/site-tree';
import { stateOfDevice } from '../site/state-of';
import { Icon } from '../ui/icon';
import { type Shape, StateMark, type Tone } from '../ui/state-mark';
import { clockMs, day, duration, shortTime, useNow, zoneAt } from '../ui/time';
import { usePageVisible } from '../ui/use-page-visible';
import { CameraPanel, CameraPanelButton, canBeTold } from './camera-panel';
import { type DisplayedFrame, LivePlayer, type LiveReduction, type LiveState } from './live.player';
import {
  chooseStream,
  closeTile,
  placeDevice,
  selectTile,
  toggleControls,
  toggleEnlarged,
  toggleSound,
  useLiveLayout,
} from './live-layout.store';

/** Ten times a second is what an eye can read; React is not asked for it. */
const READOUT_INTERVAL_MS = 100;
const SLOW_LATENCY_MS = 1_500;
/** What is further behind is not called live: it moves, but it is the past. Or one of the clocks is wrong. */
const LATE_MS = 5_000;
const SMOOTHING_MS = 400;
/** The picture on the screen is older by so much before that is said. */
const AGEING_MS = 1_000;

function useLivePlayer(
  { deviceId, stream, wanted }: { deviceId: string; stream: string | null; wanted: boolean },
  onFrame: (frame: DisplayedFrame) => void,
) {
  const video = useRef<HTMLVideoElement>(null);
  const lastPicture = useRef<HTMLCanvasElement>(null);
  const player = useRef<LivePlayer | null>(null);
  /** When the picture on the screen was put there. */
  const shownAtMs = useRef<number | null>(null);
  const [state, setState] = useState<LiveState | null>(null);
  const [reducedBecause, setReduced] = useState<LiveReduction | null>(null);
  const frame = useRef(onFrame);
  frame.current = onFrame;
  useEffect(() => {
    if (!wanted || video.current === null || lastPicture.current === null) return;
    setState({ kind: 'CONNECTING', sinceMs: Date.now(), reason: null });
    const created = new LivePlayer({
      ...{ deviceId, stream, video: video.current, lastPicture: lastPicture.current },
      ...{ onState: setState, onReduced: setReduced },
      onFrame: shown => {
        shownAtMs.current = Date.now();
        frame.current(shown);
      },
    });
    player.current = created;
    setReduced(null);
    return () => {
      created[Symbol.dispose]();
      setState(null);
    };
  }, [deviceId, stream, wanted]);
  const retryNow = () => player.current?.retryNow();
  return { video, lastPicture, shownAtMs, state, reducedBecause, retryNow };
}

interface Overlay {
  readonly tone: Tone;
  readonly shape: Shape;
  readonly word: string;
  readonly detail: string;
}

const causes: Record<string, string> = {
  LINK_DOWN: 'The link to the site is down.',
  NOT_CONNECTED: 'The recording server is not connected: its link may be down.',
  CAMERA_DISCONNECTED: 'The camera is not connected.',
  TOO_SLOW: 'Your connection is too slow: no picture got through.',
  SOURCE_BUSY: 'The server is overloaded, and recordings go first.',
};
/** Of a closed socket: `CODE: words`. */
const inWords = (reason: string | null): string => {
  const [, code, words] = /^(?:([A-Z_]+)(?:: |$))?(.*)$/.exec(reason ?? '') ?? [];
  return causes[code ?? ''] ?? words ?? '';
};

const reductions: Record<LiveReduction, string> = {
  SLOW_VIEWER: 'your connection is too slow',
  SLOW_LINK: 'the link to the site is too slow',
  OVERLOAD: 'the server is overloaded',
};

/** Why there is no picture; null while there is one. What the system knows of the camera says more than the socket. */
function overlayOf(
  state: LiveState | null,
  device: Device,
  site: Site | undefined,
  nowMs: number,
): Overlay | null {
  if (state?.kind === 'PLAYING') return null;
  if (state === null)
    return { tone: 'none', shape: 'ring', word: 'Paused', detail: 'While this page is hidden' };
  const known = stateOfDevice(device, site, nowMs);
  if (['Link down', 'Lost', 'Disabled'].includes(known.word)) {
    const word = known.word === 'Lost' ? 'Camera lost' : known.word;
    return { ...known, word };
  }
  if (state.kind === 'UNSUPPORTED')
    return { tone: 'bad', shape: 'cross', word: 'Cannot be shown', detail: state.reason };
  if (state.kind === 'CONNECTING') return { tone: 'info', shape: 'half', word: 'Connecting', detail: '' };
  const word = state.kind === 'CLOSED' ? 'Closed' : 'No picture';
  return { tone: 'warn', shape: 'triangle', word, detail: inWords(state.reason) };
}

/** Of the picture that lies dimmed under the words; before the first one, how long it has been waited for. */
function ageOf(shownAtMs: number | null, state: LiveState | null, nowMs: number): string {
  const sinceMs = shownAtMs ?? state?.sinceMs ?? nowMs;
  if (shownAtMs === null && nowMs - sinceMs < 2_000) return '';
  return `No picture since ${shortTime(sinceMs, nowMs)} (${duration(nowMs - sinceMs)})`;
}

interface ReadoutRefs {
  readonly time: RefObject<HTMLSpanElement | null>;
  readonly latency: RefObject<HTMLSpanElement | null>;
}

function useReadout(): ReadoutRefs & { late: boolean; show: (frame: DisplayedFrame) => void } {
  const [late, setLate] = useState(false);
  const time = useRef<HTMLSpanElement>(null);
  const latency = useRef<HTMLSpanElement>(null);
  const shownAt = useRef(0);
  const seenAt = useRef(0);
  const smooth = useRef<number | null>(null);
  /** How far what is on the screen is behind: a picture that no other follows gets older. */
  const sayLatency = useCallback((sinceMs: number) => {
    if (smooth.current === null || !latency.current) return;
    const ms = Math.round(smooth.current + sinceMs);
    latency.current.textContent =
      ms < 0 ? 'clock ahead' : ms < SLOW_LATENCY_MS ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s behind`;
    latency.current.dataset.slow = String(ms >= SLOW_LATENCY_MS || ms < 0);
    setLate(ms >= LATE_MS);
  }, []);
  useEffect(() => {
    const timer = setInterval(() => {
      const sinceMs = performance.now() - seenAt.current;
      if (sinceMs > AGEING_MS) sayLatency(sinceMs);
    }, AGEING_MS);
    return () => clearInterval(timer);
  }, [sayLatency]);
  const show = (frame: DisplayedFrame) => {
    const nowMs = performance.now();
    // Steady over the pictures of a moment, and at once where key frames alone come.
    const weight = 1 - Math.exp(-(nowMs - seenAt.current) / SMOOTHING_MS);
    seenAt.current = nowMs;
    smooth.current =
      smooth.current === null
        ? frame.latencyMs
        : smooth.current + (frame.latencyMs - smooth.current) * weight;
    if (nowMs - shownAt.current < READOUT_INTERVAL_MS || !time.current) return;
    shownAt.current = nowMs;
    const at = Math.round(frame.capturedAtMs);
    time.current.textContent = `${day(at)} ${clockMs(at).slice(0, -2)} ${zoneAt(at)}`;
    sayLatency(0);
  };
  return { time, latency, late, show };
}

/** Null: the one that the site shows live; also when the chosen one is there no more. */
function chosenStream(device: Device, chosen: Readonly<Record<string, string>>): string | null {
  const name = chosen[device.id];
  return device.streams?.streams.some(stream => stream.name === name) ? (name ?? null) : null;
}

function StreamChoice({ device }: { readonly device: Device }) {
  const stream = chosenStream(device, useLiveLayout().streams);
  const { streams } = device;
  if (streams === null || streams.streams.length < 2) return null;
  return (
    <select
      className="tile-stream"
      aria-label="Stream"
      title="Which of the camera's streams is shown"
      value={stream ?? streams.live}
      onChange={event => {
        const { value } = event.currentTarget;
        chooseStream(device.id, value === streams.live ? null : value);
      }}
      data-testid={`stream-${device.id}`}
    >
      {streams.streams.map(({ name }) => (
        <option key={name} value={name}>
          {name}
        </option>
      ))}
    </select>
  );
}

function TileActions({
  tile,
  device,
  enlarged,
  sounding,
}: {
  readonly tile: number;
  readonly device: Device;
  readonly enlarged: boolean;
  readonly sounding: boolean;
}) {
  const playback = () =>
    go('playback', null, { devices: device.id, at: new Date(Date.now() - 30_000).toISOString() });
  return (
    <span className="tile-actions">
      <StreamChoice device={device} />
      <CameraPanelButton
        device={device}
        open={useLiveLayout().controlled.includes(device.id)}
        onToggle={() => toggleControls(device.id)}
      />
      <button
        type="button"
        className="plain square"
        aria-label={sounding ? 'Mute' : 'Sound on'}
        title="Sound (s)"
        aria-pressed={sounding}
        onClick={() => toggleSound(device.id)}
      >
        <Icon name={sounding ? 'volume' : 'muted'} />
      </button>
      <button
        type="button"
        className="plain square"
        aria-label="Save the picture"
        title="Save the newest picture"
        onClick={() => void saveSnapshot(device, null)}
      >
        <Icon name="picture" />
      </button>
      <button
        type="button"
        className="plain square"
        aria-label="Play back"
        title="Play back (b)"
        onClick={playback}
      >
        <Icon name="clock" />
      </button>
      <button
        type="button"
        className="plain square"
        aria-label={enlarged ? 'Back to the grid' : 'Enlarge'}
        title="Enlarge (f)"
        onClick={() => toggleEnlarged(tile)}
      >
        <Icon name="expand" />
      </button>
      <button
        type="button"
        className="plain square"
        aria-label="Close"
        title="Close (x)"
        onClick={() => closeTile(tile)}
      >
        <Icon name="close" />
      </button>
    </span>
  );
}

function TilePicture({
  device,
  sounding,
  onDoubleClick,
}: {
  readonly device: Device;
  readonly sounding: boolean;
  readonly onDoubleClick: () => void;
}) {
  const site = useSiteDirectory().siteById.get(device.site.id);
  const nowMs = useNow(1000);
  const visible = usePageVisible();
  const readout = useReadout();
  const stream = chosenStream(device, useLiveLayout().streams);
  const { video, lastPicture, shownAtMs, state, reducedBecause, retryNow } = useLivePlayer(
    { deviceId: device.id, stream, wanted: visible },
    readout.show,
  );
  const overlay = overlayOf(state, device, site, nowMs);
  return (
    <>
      <video
        ref={video}
        muted={!sounding}
        playsInline
        disablePictureInPicture
        onDoubleClick={onDoubleClick}
        data-testid={`live-video-${device.id}`}
      />
      <canvas ref={lastPicture} hidden />
      <div className="tile-title">
        <b className="clip">{device.name}</b>
        <span className="clip">{site?.name}</span>
      </div>
      {overlay !== null && (
        <div className="tile-overlay" data-testid={`live-state-${device.id}`}>
          <StateMark tone={overlay.tone} shape={overlay.shape} word={overlay.word} />
          <p className="tile-age">{ageOf(shownAtMs.current, state, nowMs)}</p>
          <p>{overlay.detail}</p>
          {state?.kind === 'CLOSED' && (
            <button type="button" className="plain framed" onClick={retryNow}>
              Try again now
            </button>
          )}
        </div>
      )}
      {overlay === null && reducedBecause !== null && (
        <div className="tile-reduced clip" data-testid={`live-reduced-${device.id}`}>
          Reduced to key frames: {reductions[reducedBecause]}
        </div>
      )}
      <div className="tile-foot" hidden={overlay !== null}>
        <span ref={readout.time} className="tile-time" data-testid={`capture-time-${device.id}`} />
        <span className="row">
          {readout.late ? (
            <StateMark tone="warn" shape="triangle" word="Late" />
          ) : (
            <StateMark tone="good" shape="disc" word="Live" />
          )}
          <span
            ref={readout.latency}
            className="tile-latency"
            title="From capture to display, by the camera's and this computer's clocks"
            data-testid={`latency-${device.id}`}
          />
        </span>
      </div>
    </>
  );
}

interface LiveTileProps {
  readonly tile: number;
  readonly deviceId: string | null;
  readonly selected: boolean;
  readonly enlarged: boolean;
  readonly sounding: boolean;
}

export function LiveTile({ tile, deviceId, selected, enlarged, sounding }: LiveTileProps) {
  const directory = useSiteDirectory();
  const device = deviceId === null ? undefined : directory.deviceById.get(deviceId);
  const [dragOver, setDragOver] = useState(false);
  const isOpen = useLiveLayout().controlled.includes(deviceId ?? '');
  const isThere = device !== undefined && device.hardware.connection !== 'LOST';
  const controlled = isOpen && isThere && canBeTold(device.hardware.capabilities);
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setDragOver(false);
    const dropped = event.dataTransfer.getData(DEVICE_MEDIA_TYPE);
    if (dropped !== '') placeDevice(dropped, tile);
  };
  const onDragOver = (event: DragEvent) => {
    event.preventDefault();
    setDragOver(true);
  };
  return (
    <section
      className="tile"
      aria-label={device === undefined ? `Tile ${tile + 1}, free` : `Tile ${tile + 1}: ${device.name}`}
      data-testid={`tile-${tile}`}
      data-selected={selected}
      data-drag-over={dragOver}
      draggable={device !== undefined}
      onDragStart={event => device !== undefined && event.dataTransfer.setData(DEVICE_MEDIA_TYPE, device.id)}
      onDragOver={onDragOver}
      onDragLeave={() => setDragOver(false)}
      onDrop={onDrop}
      onPointerDown={() => selectTile(tile)}
      onFocus={() => !selected && selectTile(tile)}
    >
      {device !== undefined && (
        <>
          <TilePicture device={device} sounding={sounding} onDoubleClick={() => toggleEnlarged(tile)} />
          {controlled && <CameraPanel device={device} selected={selected} />}
          <TileActions tile={tile} device={device} enlarged={enlarged} sounding={sounding} />
        </>
      )}
      {deviceId !== null && device === undefined && directory.known && (
        <div className="tile-overlay">
          <StateMark tone="none" shape="ring" word="Not there any more" />
          <button type="button" className="plain framed" onClick={() => closeTile(tile)}>
            Clear
          </button>
        </div>
      )}
      {deviceId === null && <p className="tile-free">Choose a camera in the tree or drag it here</p>}
    </section>
  );
}
