// The Loki read API, as far as these pages use it.

import { ask } from './http';
import type { Labels } from './sonde';

export interface Stream { stream: Labels; values: [string, string, ...unknown[]][] }
export interface LogAnswer { streams: Stream[] }

const ns = (seconds: number) => `${Math.floor(seconds)}${String(Math.round((seconds % 1) * 1e9)).padStart(9, '0')}`;

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
