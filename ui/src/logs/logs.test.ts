import { describe, expect, test } from 'vitest';
import { ns } from '../api/loki';
import { grouped, messageOf, patternOf } from './groups';
import { countedBuckets, histogram, glance, levelOf, linesOf, merged } from './lines';
import { everything, isMetricQuery, levelsOf, splitQuery, withLevels, withMatcher, withoutMatcher } from './selector';

describe('LogQL', () => {
  test('a selector is split from the rest, quotes and braces inside strings respected', () => {
    expect(splitQuery('{a="x}", b=~`y.*`} |= "z"')).toEqual({ matchers: [{ label: 'a', op: '=', value: 'x}' }, { label: 'b', op: '=~', value: 'y.*' }], rest: ' |= "z"' });
    expect(splitQuery('{}')).toEqual({ matchers: [], rest: '' });
    for (const broken of ['{a="x"', '{a=x}', 'rate({a="b"}[1m])', '{a="x" b="y"}']) expect(splitQuery(broken)).toBeUndefined();
  });
  test('adding a matcher replaces the one that selects everything', () => {
    expect(withMatcher(everything, { label: 'service_name', op: '=', value: 'or"ders' })).toBe('{service_name="or\\"ders"}');
    expect(withMatcher('{a="1"} |= "x"', { label: 'b', op: '!=', value: '2' })).toBe('{a="1", b!="2"} |= "x"');
  });
  test('removing the last matcher selects everything again', () => {
    expect(withoutMatcher('{a="1"} |= "x"', 0)).toBe(`${everything} |= "x"`);
  });
  test('level chips write one filter, read it back and take it away', () => {
    const query = '{a="1"} |= "x"';
    const filtered = withLevels(query, ['error', 'fatal']);
    expect(filtered).toBe('{a="1"} | detected_level=~"error|fatal|critical" |= "x"');
    expect(levelsOf(filtered)).toEqual(['fatal', 'error']);
    expect(withLevels(filtered, [])).toBe(query);
    expect(withLevels(filtered, ['warn'])).toBe('{a="1"} | detected_level=~"warn|warning" |= "x"');
  });
  test('metric queries are told from line queries', () => {
    expect(isMetricQuery('sum by (a) (rate({b="c"}[1m]))')).toBe(true);
    expect(isMetricQuery('{b="rate("} |= "count_over_time("')).toBe(false);
  });
});

test('nanoseconds have nine digits after the second, whatever the fraction', () => {
  expect(ns(1700000000)).toBe('1700000000000000000');
  expect(ns(1700000000.5)).toBe('1700000000500000000');
  expect(ns(1.9999999999)).toBe('1999999999');
});

describe('lines', () => {
  const stream = (labels: Record<string, string>, ...values: [string, string, unknown?][]) => ({ stream: labels, values: values as [string, string][] });
  test('come newest first over all streams, with nanoseconds kept', () => {
    const lines = linesOf([stream({ service_name: 'a' }, ['1700000000000000001', 'one'], ['1700000000000000003', 'three']), stream({ service_name: 'b' }, ['1700000000000000002', 'two'])]);
    expect(lines.map(l => l.text)).toEqual(['three', 'two', 'one']);
    expect(lines[0].ns).toBe('1700000000000000003');
  });
  test('levels come from labels, else from the text', () => {
    expect(levelOf({ detected_level: 'WARNING' })).toBe('warn');
    expect(levelOf({}, '{"level":"error","message":"x"}')).toBe('error');
    expect(levelOf({}, 'ts=1 level=debug msg=x')).toBe('debug');
    expect(levelOf({}, 'ERROR something')).toBe('error');
    expect(levelOf({}, 'no terror here')).toBe('unknown');
  });
  test('trace ids come from metadata, labels or the text', () => {
    const id = '0af7651916cd43dd8448eb211c80319c';
    expect(linesOf([stream({}, ['1', 'x', { trace_id: id }])])[0].traceId).toBe(id);
    expect(linesOf([stream({}, ['1', 'x', { structuredMetadata: { trace_id: id }, parsed: {} }])])[0].traceId).toBe(id);
    expect(linesOf([stream({}, ['1', `trace_id=${id} x`])])[0].traceId).toBe(id);
    expect(linesOf([stream({ trace_id: 'not-an-id' }, ['1', 'x'])])[0].traceId).toBeUndefined();
  });
  test('merging drops doubles and keeps the newest', () => {
    const a = linesOf([stream({}, ['1000000000', 'a'], ['2000000000', 'b'])]);
    const b = linesOf([stream({}, ['2000000000', 'b'], ['3000000000', 'c'])]);
    expect(merged(a, b, 10).map(l => l.text)).toEqual(['c', 'b', 'a']);
    expect(merged(a, b, 2).map(l => l.text)).toEqual(['c', 'b']);
    expect(merged(a, a, 10)).toBe(a);
  });
  test('the histogram puts each line into its bucket, the end into the last', () => {
    const lines = linesOf([stream({ level: 'error' }, ['0000000000', 'a'], ['10000000000', 'b']), stream({ level: 'info' }, ['5000000000', 'c'])]);
    const bars = histogram(lines, 0, 10, 2);
    expect(bars.map(b => b.total)).toEqual([1, 2]);
    expect(bars[1].counts).toEqual({ error: 1, info: 1 });
  });
  test('counts of the server cover the step that ends at their time', () => {
    const bars = countedBuckets([{ level: 'error', values: [[10, 3], [20, 4]] }, { level: '', values: [[20, 1]] }], 0, 20, 10);
    expect(bars.map(b => b.total)).toEqual([3, 5]);
    expect(bars[1].counts).toEqual({ error: 4, unknown: 1 });
  });
});

test('messages that differ in numbers, ids and quoted values are one group', () => {
  expect(patternOf('timeout after 500 ms')).toBe(patternOf('timeout after 1.5 ms'));
  expect(patternOf('bad sku "ax-1"')).toBe(patternOf('bad sku "9f0b"'));
  expect(patternOf('bad sku "x1"')).not.toBe(patternOf('bad name "x1"'));
  expect(messageOf('{"message":"hi","n":1}')).toBe('hi');
  expect(messageOf('{broken')).toBe('{broken');
  const lines = linesOf([{ stream: {}, values: [['1000000000', 'took 5 ms'], ['2000000000', 'took 7 ms'], ['3000000000', 'other']] }]);
  expect(grouped(lines).map(g => [g.pattern, g.count, g.last])).toEqual([['took ‹n› ms', 2, 2], ['other', 1, 3]]);
});

test('a line shows at a glance what it carries, the request first, without where it comes from', () => {
  const fields = { service_name: 'orders', detected_level: 'info', trace_id: 'ab', thread_id: '1', http_response_status_code: '404', duration_seconds: '0.25', http_request_method: 'GET', url_path: '/stock/9', http_route: '/stock/{sku}', sku: 'SKU-9', code_line_number: '12' };
  expect(glance(fields, s => `${s} s`)).toEqual([['', 'GET'], ['', '/stock/9'], ['', '404'], ['duration', '0.25 s'], ['sku', 'SKU-9']]);
  expect(glance({ http_route: '/stock/{sku}', duration_seconds: 'n/a' }, String)).toEqual([['duration_seconds', 'n/a'], ['http_route', '/stock/{sku}']]);
  expect(glance({ a: 'x'.repeat(100), b: '1' }, String, 1)).toEqual([['a', `${'x'.repeat(79)}…`]]);
});
