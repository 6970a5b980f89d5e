// Which histogram of a service tells its rate, errors and duration, and the expressions that read it.

import type { Labels } from '../api/sonde';

export interface RedMetric { name: string; classic: boolean; selector: string; errors: string }

const preferred = ['http_server_request_duration_seconds', 'http_request_duration_seconds', 'rpc_server_call_duration_seconds', 'rpc_server_duration_seconds', 'grpc_server_handling_seconds'];

export const quoted = (text: string) => JSON.stringify(text);

// Selectors that find the candidates; a service is told by `service`, `service_name` or else by `job`.
export function candidates(service: string): string[] {
  const names = '(http|rpc|grpc)_.*seconds(_bucket)?|[a-z_]*request_duration_seconds(_bucket)?';
  return ['service', 'service_name', 'job'].map(key => `{__name__=~${quoted(names)},${key}=${quoted(service)}}`);
}

export function pickMetric(series: Labels[], service: string): RedMetric | undefined {
  const ranked = series
    .map(labels => ({ labels, name: labels.__name__.replace(/_bucket$/, ''), classic: labels.__name__.endsWith('_bucket') }))
    .filter(c => !/client/.test(c.name) && !/_(count|sum|created)$/.test(c.name))
    .map(c => ({ ...c, rank: preferred.includes(c.name) ? preferred.indexOf(c.name) : 100 }))
    .sort((a, b) => a.rank - b.rank || Number(b.classic) - Number(a.classic) || a.name.localeCompare(b.name));
  const best = ranked[0];
  if (!best) return undefined;
  const key = ['service', 'service_name', 'job'].find(k => best.labels[k] === service) ?? 'service';
  const status = ['http_response_status_code', 'status', 'status_code', 'code'].find(k => ranked.some(c => c.name === best.name && c.labels[k] !== undefined));
  const errors = status ? `${status}=~"5.."` : best.labels.error_type !== undefined ? 'error_type!=""' : '';
  return { name: best.name, classic: best.classic, selector: `${key}=${quoted(service)}`, errors };
}

export function redExpressions(metric: RedMetric, windowSeconds: number) {
  const window = `[${windowSeconds}s]`;
  const total = (more = '') => metric.classic
    ? `sum(rate(${metric.name}_count{${metric.selector}${more}}${window}))`
    : `sum(histogram_count(rate(${metric.name}{${metric.selector}${more}}${window})))`;
  const quantile = (q: number) => metric.classic
    ? `histogram_quantile(${q}, sum by (le) (rate(${metric.name}_bucket{${metric.selector}}${window})))`
    : `histogram_quantile(${q}, sum(rate(${metric.name}{${metric.selector}}${window})))`;
  return {
    rate: total(),
    // "or 0 *" keeps the line at zero while no error has been seen.
    errors: metric.errors ? `(${total(`,${metric.errors}`)} or 0 * ${total()}) / ${total()}` : '',
    quantile,
    exemplars: `${metric.name}${metric.classic ? '_bucket' : ''}{${metric.selector}}`,
  };
}

// Long enough for four scrapes at the usual intervals, and never shorter than two steps.
export const rateWindow = (step: number) => Math.max(60, step * 2);
