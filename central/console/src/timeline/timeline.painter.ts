import { clock, day, zoneAt, zoneOffsetAt } from '../ui/time';
import { isAway } from './span-state';
import { lengthOf, type Span, type SpanState, ticks, type View, xOf } from './timeline.geometry';

export interface Lane {
  readonly deviceId: string;
  readonly name: string;
  readonly siteName: string;
  readonly spans: readonly Span[];
}
export interface AlarmMarker {
  readonly id: string;
  readonly atMs: number;
  readonly priority: number;
  readonly label: string;
  readonly open: boolean;
}
export interface LockBar {
  readonly id: string;
  readonly deviceIds: readonly string[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly label: string;
}
export interface TimelineModel {
  readonly view: View;
  readonly lanes: readonly Lane[];
  readonly alarms: readonly AlarmMarker[];
  readonly locks: readonly LockBar[];
  readonly selection: { readonly fromMs: number; readonly toMs: number } | null;
  /** The first mark of a selection that has no second yet. */
  readonly markMs: number | null;
  readonly nowMs: number;
}

export const AXIS_PX = 24;
export const ALARM_ROW_PX = 18;
export const LANE_PX = 26;
const BAR_TOP_PX = 8;
const BAR_PX = 14;
const LOCK_TOP_PX = 3;
const LANE_COLOUR = '#12171f';
const STROKE_PX = 2;
const STROKE_GAP_PX = 3;

export const heightFor = (laneCount: number): number =>
  AXIS_PX + ALARM_ROW_PX + Math.max(1, laneCount) * LANE_PX + 6;
export const laneTop = (index: number): number => AXIS_PX + ALARM_ROW_PX + index * LANE_PX;

const colours: Record<SpanState, string> = {
  HELD: '#2fa58f',
  REMOTE: '#1f4a80',
  GAP: '#3a2126',
  UNKNOWN: '#20262f',
};
const inks: Record<SpanState, string> = {
  HELD: '#2fa58f',
  REMOTE: '#62a3f0',
  GAP: '#c4646b',
  UNKNOWN: '#7d8a9b',
};

const patterns = new Map<SpanState, CanvasPattern>();

/** Each state has its pattern beside its colour: solid, stripes, crosses, dots. */
function patternFor(context: CanvasRenderingContext2D, state: SpanState): CanvasPattern | string {
  const known = patterns.get(state);
  if (known !== undefined) return known;
  if (state === 'HELD') return colours.HELD;
  const tile = document.createElement('canvas');
  tile.width = 8;
  tile.height = 8;
  const ink = tile.getContext('2d');
  if (ink === null) return colours[state];
  ink.fillStyle = colours[state];
  ink.fillRect(0, 0, 8, 8);
  ink.strokeStyle = inks[state];
  ink.fillStyle = inks[state];
  ink.lineWidth = state === 'REMOTE' ? 2 : 1;
  ink.beginPath();
  for (const shift of state === 'REMOTE' ? [-8, 0, 8] : []) {
    ink.moveTo(shift, 8);
    ink.lineTo(shift + 8, 0);
  }
  if (state === 'GAP') {
    ink.moveTo(2, 2);
    ink.lineTo(6, 6);
    ink.moveTo(6, 2);
    ink.lineTo(2, 6);
  }
  ink.stroke();
  if (state === 'UNKNOWN') ink.fillRect(3, 3, 2, 2);
  const pattern = context.createPattern(tile, 'repeat');
  if (pattern === null) return colours[state];
  patterns.set(state, pattern);
  return pattern;
}

function paintAxis(context: CanvasRenderingContext2D, view: View, widthPx: number, heightPx: number): void {
  context.font = '11px "Inter", system-ui, "DejaVu Sans", sans-serif';
  context.textBaseline = 'middle';
  for (const tick of ticks(view, widthPx, zoneOffsetAt)) {
    const x = Math.round(xOf(view, widthPx, tick.ms)) + 0.5;
    context.strokeStyle = tick.isDay ? '#4a5769' : '#1d2530';
    context.beginPath();
    context.moveTo(x, tick.isDay ? 4 : AXIS_PX - 4);
    context.lineTo(x, heightPx);
    context.stroke();
    context.fillStyle = tick.isDay ? '#e3e8ef' : '#9ba8b8';
    const time = clock(tick.ms);
    const label = tick.isDay ? day(tick.ms) : tick.hasSeconds ? time : time.slice(0, 5);
    context.fillText(tick.hasZone ? `${label} ${zoneAt(tick.ms)}` : label, x + 4, 12);
  }
}

/** Between two key frames there is nothing: the bar is cut into upright strokes, whatever its pattern. */
function paintGaps(
  context: CanvasRenderingContext2D,
  { from, to, top }: { readonly from: number; readonly to: number; readonly top: number },
): void {
  context.fillStyle = LANE_COLOUR;
  for (let x = from + STROKE_PX; x < to; x += STROKE_PX + STROKE_GAP_PX) {
    context.fillRect(x, top, Math.min(STROKE_GAP_PX, to - x), BAR_PX);
  }
}

function paintLane(
  context: CanvasRenderingContext2D,
  model: TimelineModel,
  widthPx: number,
  index: number,
): void {
  const { view, lanes, locks } = model;
  const lane = lanes[index];
  if (lane === undefined) return;
  const top = laneTop(index);
  context.fillStyle = LANE_COLOUR;
  context.fillRect(0, top + BAR_TOP_PX, widthPx, BAR_PX);
  for (const span of lane.spans) {
    const from = Math.max(0, xOf(view, widthPx, span.fromMs));
    const to = Math.min(widthPx, xOf(view, widthPx, span.toMs));
    if (to < 0 || from > widthPx) continue;
    context.fillStyle = patternFor(context, span.state);
    // Before the first recording nothing went wrong: no reason to fill the lane with red. What cannot be had now is no more than known.
    const isFaint = isAway(span.cause) || (span === lane.spans[0] && span.cause === 'NOT_RECORDED');
    context.globalAlpha = isFaint ? 0.4 : 1;
    // However short, a span must be seen.
    context.fillRect(from, top + BAR_TOP_PX, Math.max(1, to - from), BAR_PX);
    if (span.keyFramesOnly) paintGaps(context, { from, to, top: top + BAR_TOP_PX });
  }
  context.globalAlpha = 1;
  for (const lock of locks.filter(bar => bar.deviceIds.includes(lane.deviceId))) {
    const from = xOf(view, widthPx, lock.fromMs);
    const to = xOf(view, widthPx, lock.toMs);
    if (to < 0 || from > widthPx) continue;
    context.fillStyle = '#e9b44c';
    context.fillRect(from, top + LOCK_TOP_PX, Math.max(3, to - from), 3);
    context.fillRect(from, top + LOCK_TOP_PX, 1.5, BAR_TOP_PX + BAR_PX - LOCK_TOP_PX);
    context.fillRect(Math.max(from + 2, to) - 1.5, top + LOCK_TOP_PX, 1.5, BAR_TOP_PX + BAR_PX - LOCK_TOP_PX);
  }
}

function paintAlarms(
  context: CanvasRenderingContext2D,
  { view, alarms }: TimelineModel,
  widthPx: number,
): void {
  const middle = AXIS_PX + ALARM_ROW_PX / 2;
  for (const alarm of alarms) {
    const x = xOf(view, widthPx, alarm.atMs);
    if (x < -8 || x > widthPx + 8) continue;
    context.beginPath();
    context.moveTo(x, middle - 6);
    context.lineTo(x + 6, middle + 5);
    context.lineTo(x - 6, middle + 5);
    context.closePath();
    context.fillStyle = alarm.priority === 1 ? '#f2777a' : alarm.priority === 2 ? '#e9b44c' : '#6fa8f5';
    context.strokeStyle = context.fillStyle;
    if (alarm.open) context.fill();
    else context.stroke();
  }
}

function paintSelection(
  context: CanvasRenderingContext2D,
  model: TimelineModel,
  widthPx: number,
  heightPx: number,
): void {
  const { selection, view, markMs } = model;
  if (selection !== null) {
    const from = xOf(view, widthPx, selection.fromMs);
    const to = xOf(view, widthPx, selection.toMs);
    context.fillStyle = '#ffffff1c';
    context.fillRect(from, AXIS_PX, to - from, heightPx - AXIS_PX);
    context.fillStyle = '#ffffff';
    context.fillRect(from - 1, AXIS_PX, 2, heightPx - AXIS_PX);
    context.fillRect(to - 1, AXIS_PX, 2, heightPx - AXIS_PX);
  }
  if (markMs !== null) {
    context.fillStyle = '#ffffff';
    context.fillRect(xOf(view, widthPx, markMs) - 1, AXIS_PX, 2, heightPx - AXIS_PX);
  }
}

function paintNow(
  context: CanvasRenderingContext2D,
  { view, nowMs }: TimelineModel,
  widthPx: number,
  heightPx: number,
): void {
  const x = xOf(view, widthPx, nowMs);
  if (x > widthPx) return;
  context.fillStyle = '#05070ab8';
  context.fillRect(Math.max(0, x), AXIS_PX, widthPx, heightPx);
  context.strokeStyle = '#9ba8b8';
  context.setLineDash([3, 3]);
  context.beginPath();
  context.moveTo(x, AXIS_PX);
  context.lineTo(x, heightPx);
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = '#9ba8b8';
  context.fillText('now', x + 4, AXIS_PX + ALARM_ROW_PX / 2);
}

/** Everything but the playhead, which moves at every frame and has a layer of its own. */
export function paint(
  canvas: HTMLCanvasElement,
  model: TimelineModel,
  widthPx: number,
  heightPx: number,
): void {
  const context = canvas.getContext('2d');
  if (context === null || lengthOf(model.view) <= 0) return;
  const scale = window.devicePixelRatio;
  if (canvas.width !== Math.round(widthPx * scale)) canvas.width = Math.round(widthPx * scale);
  if (canvas.height !== Math.round(heightPx * scale)) canvas.height = Math.round(heightPx * scale);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, widthPx, heightPx);
  paintAxis(context, model.view, widthPx, heightPx);
  model.lanes.forEach((_, index) => {
    paintLane(context, model, widthPx, index);
  });
  paintAlarms(context, model, widthPx);
  paintNow(context, model, widthPx, heightPx);
  paintSelection(context, model, widthPx, heightPx);
}
