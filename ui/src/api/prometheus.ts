// The Prometheus HTTP API, as far as these pages use it.

import { ask } from './http';
import type { Labels, Point } from './sonde';

export interface Series { metric: Labels; values: Point[] }
export interface Sample { metric: Labels; value: Point }
export interface Exemplar { labels: Labels; value: number; t: number; series: Labels }
export type Instant = { kind: 'vector'; samples: Sample[] } | { kind: 'scalar' | 'string'; value: [number, string] } | { kind: 'matrix'; series: Series[] };
export interface Target {
  labels: Labels; discoveredLabels: Labels; scrapePool: string; scrapeUrl: string; lastError: string; lastScrape: string; lastScrapeDuration: number; health: string;
  scrapeInterval: string; scrapeTimeout: string;
}
export interface TsdbStatus {
  headStats: { numSeries: number; numLabelPairs?: number; chunkCount: number; minTime: number; maxTime: number };
  seriesCountByMetricName: { name: string; value: number }[]; labelValueCountByLabelName: { name: string; value: number }[];
  memoryInBytesByLabelName: { name: string; value: number }[]; seriesCountByLabelValuePair: { name: string; value: number }[];
}

interface Envelope<T> { status: string; data: T; warnings?: string[]; infos?: string[] }
interface Histogram { count: string; sum: string }
interface RawSeries { metric: Labels; values?: [number, string][]; histograms?: [number, Histogram][] }
interface RawSample { metric: Labels; value?: [number, string]; histogram?: [number, Histogram] }

export function number(text: string): number {
  if (text === '+Inf' || text === 'Inf') return Infinity;
  return text === '-Inf' ? -Infinity : Number(text);
}

// A native histogram in a graph or table stands as its count.
const points = (s: RawSeries): Point[] =>
  s.values ? s.values.map(([t, v]) => [t, number(v)]) : (s.histograms ?? []).map(([t, h]) => [t, number(h.count)]);
const point = (s: RawSample): Point => (s.value ? [s.value[0], number(s.value[1])] : [s.histogram![0], number(s.histogram![1].count)]);

export interface RangeAnswer { series: Series[]; warnings: string[] }

export async function queryRange(query: string, start: number, end: number, step: number, signal?: AbortSignal): Promise<RangeAnswer> {
  const answer = await ask<Envelope<{ resultType: string; result: RawSeries[] }>>('api/v1/query_range', { method: 'POST', form: true, parameters: { query, start, end, step }, signal });
  return { series: answer.data.result.map(s => ({ metric: s.metric, values: points(s) })), warnings: [...(answer.warnings ?? []), ...(answer.infos ?? [])] };
}

export async function queryInstant(query: string, time: number, signal?: AbortSignal): Promise<{ result: Instant; warnings: string[] }> {
  const answer = await ask<Envelope<{ resultType: string; result: unknown }>>('api/v1/query', { method: 'POST', form: true, parameters: { query, time }, signal });
  const warnings = [...(answer.warnings ?? []), ...(answer.infos ?? [])];
  const { resultType, result } = answer.data;
  if (resultType === 'scalar' || resultType === 'string') return { result: { kind: resultType, value: result as [number, string] }, warnings };
  if (resultType === 'matrix') return { result: { kind: 'matrix', series: (result as RawSeries[]).map(s => ({ metric: s.metric, values: points(s) })) }, warnings };
  return { result: { kind: 'vector', samples: (result as RawSample[]).map(s => ({ metric: s.metric, value: point(s) })) }, warnings };
}

export async function queryExemplars(query: string, start: number, end: number, signal?: AbortSignal): Promise<Exemplar[]> {
  const answer = await ask<Envelope<{ seriesLabels: Labels; exemplars: { labels: Labels; value: string; timestamp: number }[] }[]>>(
    'api/v1/query_exemplars', { parameters: { query, start, end }, signal });
  return answer.data.flatMap(s => s.exemplars.map(e => ({ labels: e.labels, value: number(String(e.value)), t: e.timestamp, series: s.seriesLabels })));
}

export const traceIdOf = (e: Exemplar) => e.labels.trace_id ?? e.labels.traceID ?? e.labels.traceId;
export const spanIdOf = (e: Exemplar) => e.labels.span_id ?? e.labels.spanID;

export async function labelValues(label: string, match: string[], start: number, end: number, limit: number, signal?: AbortSignal): Promise<string[]> {
  return (await ask<Envelope<string[]>>(`api/v1/label/${encodeURIComponent(label)}/values`, { parameters: { 'match[]': match, start, end, limit }, signal })).data;
}

export async function targets(signal?: AbortSignal): Promise<{ activeTargets: Target[]; droppedTargetCounts?: Record<string, number> }> {
  return (await ask<Envelope<{ activeTargets: Target[]; droppedTargetCounts?: Record<string, number> }>>('api/v1/targets', { parameters: { state: 'active' }, signal })).data;
}

// Expressions of the alerting rules by name, in the order of the files.
export async function ruleExpressions(signal?: AbortSignal): Promise<Map<string, string>> {
  const { data } = await ask<Envelope<{ groups: { rules: { name: string; query: string }[] }[] }>>('api/v1/rules', { parameters: { type: 'alert' }, signal });
  return new Map(data.groups.flatMap(g => g.rules.map(r => [r.name, r.query] as const)));
}

export const statusPart = async <T>(part: string, signal?: AbortSignal) => (await ask<Envelope<T>>(`api/v1/status/${part}`, { signal })).data;
