// Instants written for people: 24 hours, ISO order, always in a named zone.

import type { Zone } from './range';

const two = (n: number) => String(n).padStart(2, '0');

interface Parts { year: number; month: number; day: number; hour: number; minute: number; second: number; ms: number }

export function partsOf(seconds: number, zone: Zone): Parts {
  const d = new Date(seconds * 1000);
  return zone === 'utc'
    ? { year: d.getUTCFullYear(), month: d.getUTCMonth() + 1, day: d.getUTCDate(), hour: d.getUTCHours(), minute: d.getUTCMinutes(), second: d.getUTCSeconds(), ms: d.getUTCMilliseconds() }
    : { year: d.getFullYear(), month: d.getMonth() + 1, day: d.getDate(), hour: d.getHours(), minute: d.getMinutes(), second: d.getSeconds(), ms: d.getMilliseconds() };
}

export function dateText(seconds: number, zone: Zone): string {
  const p = partsOf(seconds, zone);
  return `${p.year}-${two(p.month)}-${two(p.day)}`;
}

export function clockText(seconds: number, zone: Zone, precision: 'm' | 's' | 'ms' = 's'): string {
  const p = partsOf(seconds, zone);
  const clock = `${two(p.hour)}:${two(p.minute)}`;
  if (precision === 'm') return clock;
  return precision === 's' ? `${clock}:${two(p.second)}` : `${clock}:${two(p.second)}.${String(p.ms).padStart(3, '0')}`;
}

export function instantText(seconds: number, zone: Zone, precision: 'm' | 's' | 'ms' = 's'): string {
  return `${dateText(seconds, zone)} ${clockText(seconds, zone, precision)}`;
}

// The clock alone for today, with the date otherwise.
export function shortInstant(seconds: number, zone: Zone, now: number): string {
  return dateText(seconds, zone) === dateText(now, zone) ? clockText(seconds, zone) : instantText(seconds, zone, 'm');
}

export function zoneText(zone: Zone, at = new Date()): string {
  if (zone === 'utc') return 'UTC';
  const minutes = -at.getTimezoneOffset();
  if (minutes === 0) return 'UTC+0';
  const sign = minutes < 0 ? '−' : '+';
  const m = Math.abs(minutes);
  return `UTC${sign}${Math.floor(m / 60)}${m % 60 ? `:${two(m % 60)}` : ''}`;
}

// Labels of a time axis: the date where the day changes, seconds only when the grid is that fine.
export function axisLabels(splits: number[], zone: Zone, increment: number): string[] {
  let day = '';
  return splits.map(t => {
    const today = dateText(t, zone);
    const clock = increment < 60 ? clockText(t, zone, increment < 1 ? 'ms' : 's') : clockText(t, zone, 'm');
    const changed = day !== '' && today !== day;
    day = today;
    if (increment >= 86400) return today.slice(5);
    return changed ? `${clock}\n${today.slice(5)}` : clock;
  });
}
