import { type RefObject, useEffect, useRef } from 'react';
import { saveSnapshot } from '../media/save-snapshot';
import { requestRetrieval } from '../retrieval/request-retrieval';
import { useSiteDirectory } from '../site/site-directory';
import { causeInWords, isAway, spanStates } from '../timeline/span-state';
import type { Span } from '../timeline/timeline.geometry';
import { Icon } from '../ui/icon';
import { type Shape, StateMark, type Tone } from '../ui/state-mark';
import { dayAndClock, duration, shortTime, useNow } from '../ui/time';
import { CameraPlayer } from './camera.player';
import type { PlaybackClock } from './playback.clock';

function useCamera(
  deviceId: string,
  clock: PlaybackClock,
): { video: RefObject<HTMLVideoElement | null>; camera: RefObject<CameraPlayer | null> } {
  const video = useRef<HTMLVideoElement>(null);
  const camera = useRef<CameraPlayer | null>(null);
  useEffect(() => {
    if (video.current === null) return;
    const player = new CameraPlayer(deviceId, video.current, clock.positionMs);
    camera.current = player;
    const remove = clock.add(player);
    player.seek(clock.positionMs);
    return () => {
      remove();
      player[Symbol.dispose]();
    };
  }, [deviceId, clock]);
  return { video, camera };
}

interface Shown {
  readonly tone: Tone;
  readonly shape: Shape;
  readonly word: string;
  readonly detail: string;
  readonly span?: Span;
}

/** A short wait needs no words. */
const QUIET_WAIT_MS = 400;

function shownInstead(span: Span | undefined, fault: string | null, atMs: number, siteName: string): Shown {
  if (span === undefined) {
    if (atMs > Date.now() - 1500)
      return { tone: 'none', shape: 'ring', word: 'Not yet', detail: 'This is the present' };
    return {
      tone: 'none',
      shape: 'ring',
      word: 'No recording',
      detail: fault ?? 'Nothing is known to be recorded here',
    };
  }
  const mark = spanStates[span.state];
  const base = { tone: mark.tone, shape: mark.shape, span };
  if (span.state === 'HELD')
    return {
      ...base,
      tone: 'warn',
      shape: 'triangle',
      word: 'Cannot be played',
      detail: fault ?? 'No picture arrived',
    };
  if (span.state === 'REMOTE' && isAway(span.cause))
    return {
      ...base,
      tone: 'warn',
      shape: 'triangle',
      word: 'Not reachable',
      detail: `Recorded at ${siteName}: ${causeInWords(span.cause ?? '')}`,
    };
  if (span.state === 'REMOTE') {
    const until =
      span.retrievableUntil === null ? '' : `, retrievable until ${dayAndClock(span.retrievableUntil)}`;
    return {
      ...base,
      word: 'Not held here',
      detail:
        span.cause === 'RECORDING_NOW'
          ? `Being recorded at ${siteName}, not sealed yet`
          : `Recorded at ${siteName}${until}${fault === null ? '' : `. ${fault}`}`,
    };
  }
  if (span.state === 'GAP')
    return {
      ...base,
      word: 'Gap',
      detail: `Not recorded for ${duration(span.toMs - span.fromMs)}: ${causeInWords(span.cause ?? 'cause not given')}`,
    };
  return {
    ...base,
    word: 'Unknown',
    detail: `Nothing is known since ${shortTime(span.fromMs)}: ${causeInWords(span.cause ?? 'LINK_DOWN')}`,
  };
}

/** The picture comes over the link. Requested, it would be held here, also when the link is down. */
function RemoteBar({ deviceId, span }: { readonly deviceId: string; readonly span: Span }) {
  return (
    <div className="tile-remote" data-testid={`playback-remote-${deviceId}`}>
      <StateMark tone="info" shape="diamond" word="Remote, over the link" />
      <button
        type="button"
        className="plain framed"
        onClick={() => requestRetrieval([deviceId], span.fromMs, span.toMs)}
        data-testid={`request-span-${deviceId}`}
      >
        <Icon name="download" />
        Request
      </button>
    </div>
  );
}

function TileOverlay({
  deviceId,
  clock,
  camera,
}: {
  readonly deviceId: string;
  readonly clock: PlaybackClock;
  readonly camera: RefObject<CameraPlayer | null>;
}) {
  const nowMs = useNow(200);
  const directory = useSiteDirectory();
  const waitingSince = useRef<number | null>(null);
  const readiness = clock.readinessOf(deviceId);
  if (readiness !== 'LOADING') waitingSince.current = null;
  else waitingSince.current ??= nowMs;
  const played = camera.current?.spanAt(clock.positionMs);
  if (readiness === 'READY')
    return played?.state === 'REMOTE' ? <RemoteBar deviceId={deviceId} span={played} /> : null;
  if (readiness === 'LOADING') {
    const waits = nowMs - (waitingSince.current ?? nowMs) > QUIET_WAIT_MS;
    return waits ? <span className="tile-wait">Loading …</span> : null;
  }
  const siteName =
    directory.siteById.get(directory.deviceById.get(deviceId)?.site.id ?? '')?.name ?? 'the site';
  const shown = shownInstead(played, clock.faultOf(deviceId), clock.positionMs, siteName);
  const { span } = shown;
  return (
    <div className="tile-overlay" data-testid={`playback-state-${deviceId}`} data-state={span?.state}>
      <StateMark {...shown} />
      <p>{shown.detail}</p>
      {span?.state === 'REMOTE' && !isAway(span.cause) && (
        <button
          type="button"
          className="plain framed"
          onClick={() => requestRetrieval([deviceId], span.fromMs, span.toMs)}
          data-testid={`request-span-${deviceId}`}
        >
          <Icon name="download" />
          Request {shortTime(span.fromMs)} to {shortTime(span.toMs)}
        </button>
      )}
    </div>
  );
}

interface PlaybackTileProps {
  readonly deviceId: string;
  readonly clock: PlaybackClock;
  readonly muted: boolean;
  readonly onClose?: () => void;
}

export function PlaybackTile({ deviceId, clock, muted, onClose }: PlaybackTileProps) {
  const directory = useSiteDirectory();
  const device = directory.deviceById.get(deviceId);
  const { video, camera } = useCamera(deviceId, clock);
  return (
    <section className="tile" aria-label={device?.name ?? 'Camera'} data-testid={`playback-tile-${deviceId}`}>
      <video
        ref={video}
        muted={muted}
        playsInline
        disablePictureInPicture
        data-testid={`playback-video-${deviceId}`}
      />
      <div className="tile-title">
        <b className="clip">{device?.name ?? 'Not there any more'}</b>
        <span className="clip">{directory.siteById.get(device?.site.id ?? '')?.name}</span>
      </div>
      <TileOverlay deviceId={deviceId} clock={clock} camera={camera} />
      {onClose !== undefined && (
        <span className="tile-actions">
          {device !== undefined && (
            <button
              type="button"
              className="plain square"
              aria-label={`Save the picture of ${device.name}`}
              title="Save this picture"
              onClick={() => void saveSnapshot(device, clock.positionMs)}
            >
              <Icon name="picture" />
            </button>
          )}
          <button
            type="button"
            className="plain square"
            aria-label={`Close ${device?.name ?? 'camera'}`}
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        </span>
      )}
    </section>
  );
}
