// The Loki read API, as far as these pages use it.

import { ask } from './http';
import type { Labels } from './sonde';

export interface Stream { stream: Labels; values: [string, string, ...unknown[]][] }
export interface LogAnswer { streams: Stream[] }

// Seconds as the nanoseconds that Loki takes. Never rounded up: a tenth digit would be another second.
export const ns = (seconds: number) => `${Math.floor(seconds)}${String(Math.min(999_999_999, Math.floor((seconds % 1) * 1e9))).padStart(9, '0')}`;

export async function queryLogs(query: string, start: number | string, end: number, limit: number, direction: 'backward' | 'forward', signal?: AbortSignal): Promise<LogAnswer> {
  const answer = await ask<{ data: { resultType: string; result: Stream[] } }>('loki/api/v1/query_range', {
    parameters: { query, start: typeof start === 'string' ? start : ns(start), end: ns(end), limit, direction }, signal,
  });
  return { streams: answer.data.resultType === 'streams' ? answer.data.result : [] };
}

export const logLabels = async (start: number, end: number, signal?: AbortSignal) =>
  (await ask<{ data?: string[] }>('loki/api/v1/labels', { parameters: { start: ns(start), end: ns(end) }, signal })).data ?? [];

export const logLabelValues = async (label: string, start: number, end: number, signal?: AbortSignal) =>
  (await ask<{ data?: string[] }>(`loki/api/v1/label/${encodeURIComponent(label)}/values`, { parameters: { start: ns(start), end: ns(end) }, signal })).data ?? [];

export interface LevelCounts { level: string; values: [number, number][] }

// Lines per step and level, counted by the server over the whole range, however few lines the page holds.
export async function countLogs(query: string, start: number, end: number, step: number, signal?: AbortSignal): Promise<LevelCounts[]> {
  const answer = await ask<{ data: { resultType: string; result: { metric: Labels; values: [number, string][] }[] } }>('loki/api/v1/query_range', {
    parameters: { query: `sum by (detected_level) (count_over_time(${query} [${step}s]))`, start: ns(start), end: ns(end), step: `${step}s` }, signal,
  });
  if (answer.data.resultType !== 'matrix') return [];
  return answer.data.result.map(s => ({ level: s.metric.detected_level ?? '', values: s.values.map(([t, v]) => [t, Number(v)]) }));
}
