import { describe, expect, test } from 'vitest';
import { ownFirst, withoutComparison } from '../alerts/EvidencePanel';
import { intervals } from '../alerts/intervals';
import { alertKey, remaining } from '../alerts/key';
import { number } from '../api/prometheus';
import { align, lastValue, maxValue, stack, thinned } from '../charts/align';
import { sparkPath } from '../charts/Sparkline';
import { unitOf } from '../charts/unit';
import { candidates, pickMetric, redExpressions } from '../service/red';
import { graphToExplore, prometheusLink, readPanels, writePanels } from './graphLink';
import { pushed } from './history';
import { placeOf, underlined } from './position';
import { seriesName } from './seriesName';

describe('links that Prometheus writes', () => {
  test('an alert’s generatorURL opens as a table', () => {
    const panels = readPanels(new URLSearchParams('g0.expr=up+%3D%3D+0&g0.tab=1'));
    expect(panels).toEqual([{ expr: 'up == 0', tab: 'table', step: undefined, exemplars: false, stacked: false }]);
  });
  test('old and new spellings of tab, step and stacking are read', () => {
    const [p] = readPanels(new URLSearchParams('g0.expr=up&g0.tab=graph&g0.step_input=30&g0.stacked=1'));
    expect(p).toMatchObject({ tab: 'graph', step: 30, stacked: true });
    expect(readPanels(new URLSearchParams('g0.expr=up&g0.step_input=1m'))[0].step).toBe(60);
  });
  test('its range becomes the page’s range', () => {
    expect(new URLSearchParams(graphToExplore('?g0.expr=up&g0.range_input=2h')).get('from')).toBe('now-2h');
    const fixed = new URLSearchParams(graphToExplore('?g0.expr=up&g0.range_input=1h&g0.end_input=2026-11-22+10:00:00'));
    expect([fixed.get('from'), fixed.get('to')]).toEqual([String(Date.UTC(2026, 10, 22, 9) / 1000), String(Date.UTC(2026, 10, 22, 10) / 1000)]);
  });
  test('panels survive being written and read', () => {
    const panels = readPanels(new URLSearchParams('g0.expr=a&g0.tab=0&g1.expr=b%2Bc&g1.tab=1&g1.show_exemplars=1&g1.step_input=15s'));
    expect(readPanels(new URLSearchParams(writePanels(panels)))).toEqual(panels);
    expect(prometheusLink(panels, { start: 0, end: 3600 })).toContain('g1.range_input=1h');
  });
});

describe('errors in expressions', () => {
  test('the place is read from the message', () => {
    expect(placeOf('invalid parameter "query": 1:7: parse error: unclosed left parenthesis')).toEqual({ line: 1, column: 7, text: 'unclosed left parenthesis' });
    expect(placeOf('query timed out')).toBeUndefined();
  });
  test('the caret stands under it, also past the end', () => {
    expect(underlined('sum(up', { line: 1, column: 7, text: '' })).toBe('sum(up\n      ^');
    expect(underlined('a\n+ b', { line: 2, column: 3, text: '' })).toBe('+ b\n  ^');
    expect(underlined('a', { line: 9, column: 1, text: '' })).toBe('');
  });
});

describe('charts', () => {
  test('series with different times share one axis; a missing step is a gap', () => {
    const { times, values } = align([{ name: 'a', points: [[0, 1], [10, 2], [40, 3]] }, { name: 'b', points: [[10, NaN], [0, 5]] }]);
    expect(times).toEqual([0, 10, 20, 40]);
    expect(values).toEqual([[1, 2, null, 3], [5, null, null, null]]);
  });
  test('stacking adds up, gaps as nothing', () => {
    expect(stack([[1, null], [2, 3]])).toEqual([[1, 0], [3, 3]]);
  });
  test('last and max pass over what is no number', () => {
    expect(lastValue([[0, 1], [1, NaN]])).toBe(1);
    expect(maxValue([[0, 1], [1, 9], [2, Infinity]])).toBe(9);
    expect(maxValue([])).toBeNull();
  });
  test('of many exemplars the highest of each column stays', () => {
    const many = Array.from({ length: 1000 }, (_, i) => ({ t: i, value: i % 100 }));
    const few = thinned(many, 0, 1000, 10);
    expect(few).toHaveLength(10);
    expect(few.every(e => e.value === 99)).toBe(true);
  });
  test('a sparkline of one point is none', () => {
    expect(sparkPath([[0, 1]], 80, 20)).toBe('');
    expect(sparkPath([[0, 0], [1, 0]], 80, 20)).not.toContain('NaN');
  });
  test('units are guessed from metric names', () => {
    expect(unitOf('histogram_quantile(0.95, sum by (le) (rate(http_server_request_duration_seconds_bucket[1m])))')).toBe('seconds');
    expect(unitOf('rate(http_server_request_duration_seconds_count[1m])')).toBe('number');
    expect(unitOf('rate(process_cpu_seconds_total[1m])')).toBe('number');
    expect(unitOf('process_resident_memory_bytes')).toBe('bytes');
    expect(unitOf('up')).toBe('number');
  });
});

describe('the metric that tells a service’s rate, errors and duration', () => {
  test('the semantic convention’s name wins, clients and derived series lose', () => {
    const m = pickMetric([{ __name__: 'http_client_request_duration_seconds_bucket', service: 's' }, { __name__: 'my_request_duration_seconds_bucket', service: 's' }, { __name__: 'http_server_request_duration_seconds_bucket', service: 's', http_response_status_code: '200' }], 's');
    expect(m).toEqual({ name: 'http_server_request_duration_seconds', classic: true, selector: 'service="s"', errors: 'http_response_status_code=~"5.."' });
    expect(pickMetric([], 's')).toBeUndefined();
  });
  test('classic and native histograms get their own expressions', () => {
    const classic = redExpressions({ name: 'h', classic: true, selector: 'job="s"', errors: 'code=~"5.."' }, 60);
    expect(classic.rate).toBe('sum(rate(h_count{job="s"}[60s]))');
    expect(classic.quantile(0.9)).toBe('histogram_quantile(0.9, sum by (le) (rate(h_bucket{job="s"}[60s])))');
    expect(redExpressions({ name: 'h', classic: false, selector: 'job="s"', errors: '' }, 60).rate).toBe('sum(histogram_count(rate(h{job="s"}[60s])))');
  });
  test('names are quoted', () => {
    expect(candidates('a"b')[0]).toContain('service="a\\"b"');
  });
});

describe('alerts', () => {
  const x = (t: number, from: string, to: string) => ({ t, group: 'g', rule: 'R', labels: { a: '1' }, from, to, value: 0 });
  test('changes of state become stretches of time', () => {
    expect(intervals([x(30, 'firing', 'inactive'), x(20, 'pending', 'firing'), x(10, 'inactive', 'pending')], 0, 100)[0].parts).toEqual([{ state: 'pending', start: 10, end: 20 }, { state: 'firing', start: 20, end: 30 }]);
  });
  test('what began before the range or lasts beyond it is cut at its edges', () => {
    expect(intervals([x(30, 'firing', 'inactive')], 0, 100)[0].parts).toEqual([{ state: 'firing', start: 0, end: 30 }]);
    expect(intervals([x(30, 'inactive', 'firing')], 0, 100)[0].parts).toEqual([{ state: 'firing', start: 30, end: 100 }]);
  });
  test('the key does not depend on the order of labels', () => {
    expect(alertKey('A', { x: '1', y: '2' })).toBe(alertKey('A', { y: '2', x: '1' }));
    expect(alertKey('A', { x: '1' })).not.toBe(alertKey('A', { x: '2' }));
  });
  test('the countdown goes on between two answers and stops at nought', () => {
    expect(remaining(10, 100, 104)).toBe(6);
    expect(remaining(10, 100, 200)).toBe(0);
    expect(remaining(undefined, 100, 200)).toBeUndefined();
  });
  test('the alert’s own series stand first, the others dashed', () => {
    const drawn = ownFirst([{ metric: { service: 'b' }, values: [] }, { metric: { __name__: 'm', service: 'a' }, values: [] }], { alertname: 'X', service: 'a' });
    expect(drawn.map(s => [s.name, s.dash ?? false])).toEqual([['m{service="a"}', false], ['{service="b"}', true]]);
  });
  test('the graph of a comparison is its left side', () => {
    expect(withoutComparison('sum(rate(x[1m])) > 0.5')).toBe('sum(rate(x[1m]))');
    expect(withoutComparison('a > b')).toBe('a > b');
    expect(withoutComparison('up == bool 0')).toBe('up');
  });
});

test('sample values are read as Prometheus writes them', () => {
  expect(['1.5', '+Inf', '-Inf', 'NaN'].map(number)).toEqual([1.5, Infinity, -Infinity, NaN]);
});
test('series are named as PromQL writes them', () => {
  expect(seriesName({ __name__: 'up', job: 'a"b' })).toBe('up{job="a\\"b"}');
  expect(seriesName({})).toBe('value');
});
test('the history has no doubles and is bounded', () => {
  expect(pushed(['a', 'b'], ' b ')).toEqual(['b', 'a']);
  expect(pushed(['a'], '  ')).toEqual(['a']);
  expect(pushed(Array.from({ length: 60 }, (_, i) => `q${i}`), 'x')).toHaveLength(40);
});
