// The time range as it stands in the URL (`from`, `to`) and as it is asked of the server.

import { durationText, parseDuration } from './duration';

export interface RangeText { from: string; to: string }
export interface Range { start: number; end: number }  // seconds since the epoch, start < end

export const defaultRange: RangeText = { from: 'now-1h', to: 'now' };

export const presets: { from: string; label: string }[] = [
  ['5m', 'Last 5 minutes'], ['15m', 'Last 15 minutes'], ['30m', 'Last 30 minutes'], ['1h', 'Last 1 hour'],
  ['3h', 'Last 3 hours'], ['6h', 'Last 6 hours'], ['12h', 'Last 12 hours'], ['1d', 'Last 24 hours'],
  ['2d', 'Last 2 days'], ['1w', 'Last 7 days'], ['30d', 'Last 30 days'],
].map(([back, label]) => ({ from: `now-${back}`, label }));

// One instant: "now", "now-90m", epoch seconds or milliseconds, "2026-11-22 10:31" with or without zone.
// Text without a zone is read in `zone`. Seconds since the epoch, or undefined.
export function parseInstant(text: string, now: number, zone: Zone = 'utc'): number | undefined {
  const t = text.trim();
  if (t === 'now') return now;
  const relative = /^now\s*-\s*(\S+)$/.exec(t);
  if (relative) {
    const back = parseDuration(relative[1]);
    return back === undefined ? undefined : now - back;
  }
  if (/^\d+(\.\d+)?$/.test(t)) {
    const n = Number(t);
    return n > 1e11 ? n / 1000 : n;
  }
  const written = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?\s*(Z|[+-]\d{2}:?\d{2})?$/.exec(t);
  if (!written) return undefined;
  const [, date, clock = '00:00', offset] = written;
  const iso = `${date}T${clock.padStart(clock.indexOf(':') === 1 ? clock.length + 1 : clock.length, '0')}${offset ?? (zone === 'utc' ? 'Z' : '')}`;
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

export type Zone = 'utc' | 'local';

export function isRelative(range: RangeText): boolean {
  return range.to.trim() === 'now' && range.from.trim().startsWith('now');
}

// A range that cannot be read falls back to the default, so that a damaged link still shows something.
export function resolveRange(text: RangeText, now: number, zone: Zone = 'utc'): Range {
  const end = parseInstant(text.to, now, zone);
  const start = parseInstant(text.from, now, zone);
  if (start === undefined || end === undefined || start >= end) return { start: now - 3600, end: now };
  return { start, end };
}

// Absolute ranges stand in the URL as whole seconds.
export function absolute(range: Range): RangeText {
  const start = Math.floor(range.start);
  return { from: String(start), to: String(Math.max(start + 1, Math.ceil(range.end))) };
}

// Twice as long around the same middle, not past now.
export function zoomedOut(range: Range, now: number): Range {
  const half = range.end - range.start;
  const middle = (range.start + range.end) / 2;
  const end = Math.min(now, middle + half);
  return { start: end - 2 * half, end };
}

// A step that gives about one point per two pixels, rounded up to a round figure.
export function stepFor(range: Range, points = 240): number {
  const raw = Math.max(1, (range.end - range.start) / points);
  const nice = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
  return nice.find(step => step >= raw) ?? Math.ceil(raw / 86400) * 86400;
}

export function rangeLabel(text: RangeText, write: (seconds: number) => string, now: number, zone: Zone): string {
  if (text.to.trim() === 'now') {
    const preset = presets.find(p => p.from === text.from.trim());
    if (preset) return preset.label;
    const start = parseInstant(text.from, now, zone);
    if (start !== undefined && isRelative(text)) return `Last ${durationText(Math.round(now - start))}`;
  }
  const { start, end } = resolveRange(text, now, zone);
  return `${write(start)} – ${write(end)}`;
}

export const refreshChoices: { value: string; label: string; seconds: number }[] = [
  { value: 'off', label: 'Off', seconds: 0 }, { value: '5s', label: '5 s', seconds: 5 }, { value: '10s', label: '10 s', seconds: 10 },
  { value: '30s', label: '30 s', seconds: 30 }, { value: '1m', label: '1 m', seconds: 60 }, { value: '5m', label: '5 m', seconds: 300 },
];

export function refreshSeconds(value: string): number {
  return refreshChoices.find(c => c.value === value)?.seconds ?? 0;
}

// Where one watches the present, pages keep up with it unless told otherwise; where one reads or searches, nothing moves by itself.
export function usualRefresh(path: string, range: RangeText): string {
  if (!isRelative(range) || !/^\/(|service\/.*|alerts|targets|status)\/?$/.test(path)) return 'off';
  const { start, end } = resolveRange(range, Date.now() / 1000);
  return end - start <= 6 * 3600 + 1 ? '10s' : 'off';
}
