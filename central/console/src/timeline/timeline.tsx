import { type PointerEvent, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { dayAndClock, duration, shortTime, zoneAt } from '../ui/time';
import { spanInWords, spanStates } from './span-state';
import { lengthOf, msAt, pan, type SpanState, spanAt, type View, xOf, zoom } from './timeline.geometry';
import {
  ALARM_ROW_PX,
  type AlarmMarker,
  AXIS_PX,
  heightFor,
  LANE_PX,
  laneTop,
  paint,
  type TimelineModel,
} from './timeline.painter';
import './timeline.css';

export interface TimelineProps extends TimelineModel {
  /** Read at every frame of the display. */
  readonly playheadMs: () => number;
  readonly onView: (view: View) => void;
  /** The operator has pressed on the timeline, or let it go: nothing else moves it meanwhile. */
  readonly onHold: (held: boolean) => void;
  readonly onSeek: (ms: number) => void;
  readonly onSelect: (selection: { fromMs: number; toMs: number } | null) => void;
  readonly onAlarm: (alarmId: string) => void;
  /** Why nothing is known of what was recorded. */
  readonly problem: string | undefined;
}

/** Less than this is a click, not a drag. */
const DRAG_PX = 4;
const WHEEL_ZOOM = 0.0016;
const ALARM_HIT_PX = 8;

function useWidth() {
  const ref = useRef<HTMLDivElement>(null);
  const [widthPx, setWidthPx] = useState(0);
  useLayoutEffect(() => {
    if (ref.current === null) return;
    const observer = new ResizeObserver(entries => setWidthPx(entries[0]?.contentRect.width ?? 0));
    observer.observe(ref.current);
    setWidthPx(ref.current.clientWidth);
    return () => observer.disconnect();
  }, []);
  return { ref, widthPx };
}

function usePlayhead(props: TimelineProps, widthPx: number) {
  const line = useRef<HTMLDivElement>(null);
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    let frame = 0;
    const move = () => {
      const x = xOf(latest.current.view, widthPx, latest.current.playheadMs());
      if (line.current !== null) {
        line.current.style.transform = `translateX(${Math.max(-9, Math.min(widthPx + 9, x)).toFixed(1)}px)`;
      }
      frame = requestAnimationFrame(move);
    };
    frame = requestAnimationFrame(move);
    return () => cancelAnimationFrame(frame);
  }, [widthPx]);
  return line;
}

interface Hover {
  readonly x: number;
  readonly ms: number;
  readonly lines: readonly string[];
}

function describe(props: TimelineProps, widthPx: number, x: number, y: number): Hover {
  const ms = msAt(props.view, widthPx, x);
  const lines: string[] = [];
  const lane = props.lanes[Math.floor((y - laneTop(0)) / LANE_PX)];
  const span = lane === undefined ? undefined : spanAt(lane.spans, ms);
  if (lane !== undefined) {
    lines.push(lane.name);
    lines.push(span === undefined ? (ms > props.nowMs ? 'Not yet' : 'Nothing is known') : spanInWords(span));
    if (span !== undefined)
      lines.push(
        `${shortTime(span.fromMs)} to ${shortTime(span.toMs)} (${duration(span.toMs - span.fromMs)})`,
      );
    for (const lock of props.locks)
      if (lock.deviceIds.includes(lane.deviceId) && ms >= lock.fromMs && ms < lock.toMs)
        lines.push(lock.label);
  }
  if (y > AXIS_PX && y < AXIS_PX + ALARM_ROW_PX)
    for (const alarm of props.alarms)
      if (Math.abs(xOf(props.view, widthPx, alarm.atMs) - x) < ALARM_HIT_PX) lines.push(alarm.label);
  return { x, ms, lines };
}

/** What was pressed on, and how it looked then. */
interface Drag {
  readonly kind: 'pan' | 'select';
  readonly startX: number;
  readonly startMs: number;
  readonly view: View;
  readonly alarm: AlarmMarker | undefined;
  moved: boolean;
}

function usePointer(props: TimelineProps, widthPx: number, onHover: (hover: Hover | null) => void) {
  const drag = useRef<Drag | null>(null);
  const at = (event: PointerEvent<HTMLElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const onPointerDown = (event: PointerEvent<HTMLElement>) => {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const { x, y } = at(event);
    const { view, alarms } = props;
    const inAlarmRow = y > AXIS_PX && y < AXIS_PX + ALARM_ROW_PX;
    const isHit = ({ atMs }: AlarmMarker) => Math.abs(xOf(view, widthPx, atMs) - x) < ALARM_HIT_PX;
    drag.current = {
      ...{ kind: event.shiftKey ? 'select' : 'pan', moved: false, view },
      ...{ startX: x, startMs: msAt(view, widthPx, x) },
      alarm: inAlarmRow ? alarms.find(isHit) : undefined,
    };
    props.onHold(true);
  };
  const onPointerMove = (event: PointerEvent<HTMLElement>) => {
    const { x, y } = at(event);
    const current = drag.current;
    onHover(describe(props, widthPx, x, y));
    if (current === null) return;
    if (Math.abs(x - current.startX) > DRAG_PX) current.moved = true;
    if (!current.moved) return;
    if (current.kind === 'pan')
      props.onView(pan(current.view, ((current.startX - x) / widthPx) * lengthOf(current.view)));
    else {
      const ms = msAt(props.view, widthPx, x);
      props.onSelect({ fromMs: Math.min(ms, current.startMs), toMs: Math.max(ms, current.startMs) });
    }
  };
  const onPointerUp = () => {
    const current = drag.current;
    if (current === null || current.moved) return;
    if (current.alarm !== undefined) props.onAlarm(current.alarm.id);
    else props.onSeek(current.startMs);
  };
  /** After the pointer is up, and where it is taken away while it is down. */
  const onLostPointerCapture = () => {
    drag.current = null;
    props.onHold(false);
  };
  const onPointerLeave = () => onHover(null);
  return { onPointerDown, onPointerMove, onPointerUp, onLostPointerCapture, onPointerLeave };
}

function useWheel(props: TimelineProps, widthPx: number, area: React.RefObject<HTMLDivElement | null>) {
  const latest = useRef(props);
  latest.current = props;
  useEffect(() => {
    const element = area.current;
    if (element === null) return;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const { view, onView } = latest.current;
      const x = event.clientX - element.getBoundingClientRect().left;
      if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
        onView(pan(view, ((event.deltaX || event.deltaY) / widthPx) * lengthOf(view)));
      else onView(zoom(view, Math.exp(event.deltaY * WHEEL_ZOOM), msAt(view, widthPx, x)));
    };
    element.addEventListener('wheel', onWheel, { passive: false });
    return () => element.removeEventListener('wheel', onWheel);
  }, [widthPx, area]);
}

/** Two, where the clock is changed in the view. */
const zonesOf = ({ fromMs, toMs }: View): string => [...new Set([zoneAt(fromMs), zoneAt(toMs)])].join(' → ');

function Legend({ problem }: { readonly problem: string | undefined }) {
  return (
    <ul className="timeline-legend" aria-label="What the timeline shows">
      {problem !== undefined && (
        <li className="tone-warn grow clip" role="alert">
          The timeline did not come: {problem}
        </li>
      )}
      {(Object.keys(spanStates) as SpanState[]).map(state => (
        <li key={state} title={spanStates[state].means}>
          <i className={`swatch ${state.toLowerCase()}`} />
          {spanStates[state].word}
        </li>
      ))}
      <li title="Reduced: of each group of pictures the first is left, and all sound">
        <i className="swatch reduced" />
        Key frames only
      </li>
      <li title="Kept until released or expired">
        <i className="swatch lock" />
        Evidence lock
      </li>
    </ul>
  );
}

export function Timeline(props: TimelineProps) {
  const { ref, widthPx } = useWidth();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [hover, setHover] = useState<Hover | null>(null);
  const playhead = usePlayhead(props, widthPx);
  const pointer = usePointer(props, widthPx, setHover);
  const heightPx = heightFor(props.lanes.length);
  useWheel(props, widthPx, ref);
  useLayoutEffect(() => {
    if (canvas.current !== null && widthPx > 0) paint(canvas.current, props, widthPx, heightPx);
  });
  const playheadMs = props.playheadMs();
  return (
    <div className="timeline" data-testid="timeline">
      <div className="timeline-names" style={{ paddingTop: laneTop(0) }}>
        <span className="timeline-zone">{zonesOf(props.view)}</span>
        {props.lanes.map(lane => (
          <div key={lane.deviceId} style={{ height: LANE_PX }} title={`${lane.name}, ${lane.siteName}`}>
            <span className="clip">{lane.name}</span>
          </div>
        ))}
      </div>
      <div
        ref={ref}
        className="timeline-area"
        style={{ height: heightPx }}
        role="slider"
        tabIndex={0}
        aria-label="Position in time"
        aria-valuemin={props.view.fromMs}
        aria-valuemax={props.view.toMs}
        aria-valuenow={playheadMs}
        aria-valuetext={`${dayAndClock(playheadMs)} ${zoneAt(playheadMs)}`}
        {...pointer}
      >
        <canvas ref={canvas} style={{ width: widthPx, height: heightPx }} />
        <div ref={playhead} className="timeline-playhead" />
        {hover !== null && (
          <div className="timeline-hover" style={{ left: Math.min(Math.max(hover.x, 130), widthPx - 130) }}>
            <b>
              {dayAndClock(hover.ms)} {zoneAt(hover.ms)}
            </b>
            {hover.lines.map(line => (
              <span key={line}>{line}</span>
            ))}
          </div>
        )}
      </div>
      <Legend problem={props.problem} />
    </div>
  );
}
