import { describe, expect, test } from 'vitest';
import { axisLabels, clockText, instantText } from './clock';
import { durationText, parseDuration, roughly, took } from './duration';
import { absolute, isRelative, parseInstant, rangeLabel, resolveRange, stepFor, usualRefresh, zoomedOut } from './range';

const now = Date.UTC(2026, 10, 22, 10, 31, 0) / 1000;

describe('instants', () => {
  test('relative text counts back from now', () => {
    expect(parseInstant('now', now)).toBe(now);
    expect(parseInstant('now-1h30m', now)).toBe(now - 5400);
    expect(parseInstant('now-fish', now)).toBeUndefined();
  });
  test('epoch milliseconds and seconds are told apart by size', () => {
    expect(parseInstant(String(now), now)).toBe(now);
    expect(parseInstant(String(now * 1000), now)).toBe(now);
  });
  test('written dates without a zone are read in the page’s zone, others in their own', () => {
    expect(parseInstant('2026-11-22 10:31', now, 'utc')).toBe(now);
    expect(parseInstant('2026-11-22T9:31', now, 'utc')).toBe(now - 3600);
    expect(parseInstant('2026-11-22T11:31:00+01:00', now, 'utc')).toBe(now);
    expect(parseInstant('22.11.2026', now)).toBeUndefined();
  });
});

describe('ranges', () => {
  test('a range that cannot be read, or runs backwards, is the last hour', () => {
    expect(resolveRange({ from: 'x', to: 'now' }, now)).toEqual({ start: now - 3600, end: now });
    expect(resolveRange({ from: 'now', to: 'now-1h' }, now)).toEqual({ start: now - 3600, end: now });
  });
  test('an absolute range in the URL is never empty and covers what was selected', () => {
    expect(absolute({ start: 10.2, end: 10.3 })).toEqual({ from: '10', to: '11' });
    expect(absolute({ start: 10, end: 20.5 })).toEqual({ from: '10', to: '21' });
  });
  test('zooming out doubles the range and does not pass now', () => {
    expect(zoomedOut({ start: now - 3600, end: now }, now)).toEqual({ start: now - 7200, end: now });
    expect(zoomedOut({ start: 1000, end: 2000 }, now)).toEqual({ start: 500, end: 2500 });
  });
  test('the step is round and gives at most the wanted points', () => {
    expect(stepFor({ start: 0, end: 3600 })).toBe(15);
    expect(stepFor({ start: 0, end: 60 })).toBe(1);
    for (const span of [300, 3600, 86400, 30 * 86400, 400 * 86400]) expect(span / stepFor({ start: 0, end: span })).toBeLessThanOrEqual(240);
  });
  test('labels name presets, other relative ranges and absolute ones', () => {
    const write = (t: number) => instantText(t, 'utc', 'm');
    expect(rangeLabel({ from: 'now-1h', to: 'now' }, write, now, 'utc')).toBe('Last 1 hour');
    expect(rangeLabel({ from: 'now-90m', to: 'now' }, write, now, 'utc')).toBe('Last 1h30m');
    expect(rangeLabel({ from: String(now - 60), to: String(now) }, write, now, 'utc')).toBe('2026-11-22 10:30 – 2026-11-22 10:31');
    expect(isRelative({ from: 'now-1h', to: String(now) })).toBe(false);
  });
});

describe('durations', () => {
  test('Prometheus durations are read and written back in their shortest form', () => {
    expect(parseDuration('1h30m')).toBe(5400);
    expect(parseDuration('500ms')).toBe(0.5);
    expect(parseDuration('90')).toBeUndefined();
    expect(parseDuration('')).toBeUndefined();
    expect(durationText(5400)).toBe('1h30m');
    expect(durationText(0.25)).toBe('250ms');
    for (const s of [0.001, 1, 59, 61, 3601, 90061, 8 * 86400]) expect(parseDuration(durationText(s))).toBe(s);
  });
  test('measured times have three digits and their unit', () => {
    expect([0.0000002, 0.00081, 0.812, 1.2346, 12.36, 59.99, 123].map(took)).toEqual(['200 ns', '810 µs', '812 ms', '1.23 s', '12.4 s', '1 m 00 s', '2 m 03 s']);
    expect(took(null)).toBe('–');
    expect(took(NaN)).toBe('–');
    expect(took(0.9996)).toBe('1 s');
    expect(roughly(86400 * 15)).toBe('15 d');
  });
});

describe('the clock', () => {
  test('is of 24 hours', () => {
    expect(clockText(Date.UTC(2026, 0, 1, 13, 5, 9) / 1000, 'utc')).toBe('13:05:09');
    expect(clockText(Date.UTC(2026, 0, 1, 0, 5, 9) / 1000, 'utc', 'm')).toBe('00:05');
  });
  test('axis labels show the date where the day changes', () => {
    const midnight = Date.UTC(2026, 10, 22) / 1000;
    expect(axisLabels([midnight - 3600, midnight, midnight + 3600], 'utc', 3600)).toEqual(['23:00', '00:00\n11-22', '01:00']);
  });
});

test('pages about the present refresh by themselves, searches and long ranges do not', () => {
  const hour = { from: 'now-1h', to: 'now' };
  expect(['/', '/service/orders', '/alerts'].map(p => usualRefresh(p, hour))).toEqual(['10s', '10s', '10s']);
  expect(['/logs', '/traces', '/explore', '/trace/ab', '/queries'].map(p => usualRefresh(p, hour))).toEqual(['off', 'off', 'off', 'off', 'off']);
  expect(usualRefresh('/', { from: 'now-7d', to: 'now' })).toBe('off');
  expect(usualRefresh('/', { from: '1795340000000', to: '1795343600000' })).toBe('off');
});
