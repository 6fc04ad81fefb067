import { useEffect, useState } from 'react';

const pad = (value: number, width = 2): string => String(value).padStart(width, '0');

export type Instant = string | number;
const dateOf = (instant: Instant): Date => new Date(instant);

/** `UTC+1`, `UTC+5:30`: the browser's zone at that instant. */
export function zoneAt(instant: Instant): string {
  const minutes = zoneOffsetAt(instant) / 60_000;
  if (minutes === 0) return 'UTC';
  const sign = minutes < 0 ? '−' : '+';
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  return `UTC${sign}${hours}${rest === 0 ? '' : `:${pad(rest)}`}`;
}

export function clock(instant: Instant): string {
  const date = dateOf(instant);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

export const clockMs = (instant: Instant): string =>
  `${clock(instant)}.${pad(dateOf(instant).getMilliseconds(), 3)}`;

export function day(instant: Instant): string {
  const date = dateOf(instant);
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

export const dayAndClock = (instant: Instant): string => `${day(instant)} ${clock(instant)}`;

/** The clock alone today, the day with it otherwise. */
const withDayUnlessToday = (instant: Instant, nowMs: number): string =>
  day(instant) === day(nowMs) ? clock(instant) : dayAndClock(instant);

/** With the day where it is not today, and the zone where it is not that of now, which heads of lists name. */
export const shortTime = (instant: Instant, nowMs = Date.now()): string =>
  zoneAt(instant) === zoneAt(nowMs) ? withDayUnlessToday(instant, nowMs) : shortTimeInZone(instant, nowMs);

/** With the zone, whatever it is. */
export const shortTimeInZone = (instant: Instant, nowMs = Date.now()): string =>
  `${withDayUnlessToday(instant, nowMs)} ${zoneAt(instant)}`;

export const zoneOffsetAt = (instant: Instant): number => -dateOf(instant).getTimezoneOffset() * 60_000;

/** No clock is changed twice within this. */
const BETWEEN_CHANGES_MS = 3 * 3_600_000;

/** Whether clocks show this time twice, because they are put back. */
function isRepeated(ms: number): boolean {
  return [-BETWEEN_CHANGES_MS, BETWEEN_CHANGES_MS].some(awayMs => {
    const shiftMs = zoneOffsetAt(ms) - zoneOffsetAt(ms + awayMs);
    return shiftMs !== 0 && dayAndClock(ms + shiftMs) === dayAndClock(ms);
  });
}

/** As `instantOf` reads it back: with the zone where the clock alone would be two moments. */
export const written = (ms: number): string =>
  isRepeated(ms) ? `${dayAndClock(ms)} ${zoneAt(ms)}` : dayAndClock(ms);

export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return `${minutes} min ${pad(seconds % 60)} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const WRITTEN =
  /^(\d{4})-(\d{2})-(\d{2})[ T](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,3}))?)?(?: ?(Z|UTC|(?:UTC)?[+−-]\d{1,2}(?::?\d{2})?))?$/i;

/** As `dayAndClock` writes it, in the browser's zone, or in the one that is written behind it. Null: there was no such moment. */
export function instantOf(written: string): number | null {
  const parts = WRITTEN.exec(written.trim());
  if (parts === null) return null;
  const [year, month, date, hours, minutes, seconds] = parts.slice(1, 7).map(part => Number(part ?? 0)) as [
    ...[number, number, number, number, number, number],
  ];
  const ms = Number((parts[7] ?? '').padEnd(3, '0'));
  const utc = new Date(Date.UTC(year, month - 1, date, hours, minutes, seconds, ms));
  // 31 February, or 25 hours, is no other moment.
  const isThere = utc.getUTCDate() === date && utc.getUTCMonth() === month - 1 && utc.getUTCHours() === hours;
  if (!isThere || minutes > 59 || seconds > 59) return null;
  const zone = parts[8];
  if (zone !== undefined) return utc.getTime() - zoneOffsetMs(zone);
  const local = new Date(year, month - 1, date, hours, minutes, seconds, ms);
  // What is passed over when clocks are put forward is no moment either.
  return local.getHours() === hours && local.getMinutes() === minutes ? local.getTime() : null;
}

function zoneOffsetMs(zone: string): number {
  const [, sign, hours, minutes] = /([+−-])(\d{1,2}):?(\d{2})?$/.exec(zone) ?? [];
  if (sign === undefined) return 0;
  return (sign === '+' ? 1 : -1) * (Number(hours) * 60 + Number(minutes ?? 0)) * 60_000;
}

export function useNow(intervalMs = 1000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), intervalMs);
    return () => clearInterval(timer);
  }, [intervalMs]);
  return now;
}

export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.5 && unit < units.length - 1);
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}
