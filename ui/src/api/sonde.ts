// sonde's own API; docs/manual/http-api.md is the truth.

import { ask, type Parameters } from './http';

export type Point = [number, number];
export type Labels = Record<string, string>;
export type Health = 'ok' | 'degraded' | 'down' | 'unknown';

export interface Status {
  version: string; revision: string; build_date: string; started: number; now: number; synthetic_until?: number; data_dir: string;
  retention_seconds: number; listen: { address: string; kind: string }[];
  head: { series: number; samples: number; min_time: number; max_time: number };
  wal_bytes: number; logs: { records: number; bytes: number }; spans: { records: number; bytes: number }; memory_bytes: number;
  warnings: string[]; auth: { enabled: boolean; user: string }; demo: boolean;
}
export interface ServiceRow {
  service: string; sources: string[]; rate: number | null; error_ratio: number | null; p50: number | null; p95: number | null;
  spark: { rate: Point[]; errors: Point[]; p95: Point[] };
  instances: { up: number; down: number }; health: Health; checks: { ok: number; failing: number }; alerts: { firing: number; pending: number }; version?: string;
}
export interface Overview {
  services: ServiceRow[]; alerts: { firing: number; pending: number }; targets: { up: number; down: number };
  ingest: { samples_per_second: number; logs_per_second: number; spans_per_second: number }; findings: number; truncated?: boolean;
}
export interface ServiceDetail {
  service: ServiceRow;
  instances: { instance: string; job: string; up: boolean; version?: string; start_time?: number }[];
  checks: { group: string; check: string; status: string; since?: number; instance: string }[];
  endpoints: { method: string; route: string; rate: number; error_ratio: number; p50: number; p95: number; p99: number }[];
  callers: string[]; callees: string[];
}
export interface Statement {
  fingerprint: string; text: string; system: string; service: string; calls: number; errors: number; rate: number;
  mean: number; p50: number; p95: number; max?: number; total_seconds: number; sampled: boolean; last_trace_id?: string;
}
export interface StatementDetail {
  statement: Statement;
  series: { calls: Point[]; errors: Point[]; p50: Point[]; p95: Point[] };
  traces: { trace_id: string; span_id: string; t: number; duration: number; service: string; error: boolean }[];
}
export interface AlertRow {
  name: string; group: string; state: string; since: number; fired_at?: number; value: number; labels: Labels; annotations: Labels;
  for_seconds: number; remaining_seconds?: number; expr: string; threshold?: number; file: string; line: number;
}
export interface Transition { t: number; group: string; rule: string; labels: Labels; from: string; to: string; value: number }
export interface TraceRow {
  trace_id: string; root_service: string; root_name: string; start: number; duration: number; span_count: number; error_count: number;
  services: [string, number][];
}
export interface Evidence {
  alert?: AlertRow; expr: string; start: number; end: number; service: string;
  exemplar?: { trace_id: string; span_id: string; value: number; t: number; series: Labels };
  traces: TraceRow[]; statements: Statement[]; logs_query: string;
}
export interface Message {
  id: string | number; t: number; receiver: string; status: 'firing' | 'resolved'; title: string; body: string; labels: Labels; annotations: Labels;
  alerts: { labels: Labels; annotations: Labels; state: string; starts_at: number; ends_at?: number }[];
  read: boolean; deliveries: { t: number; receiver: string; ok: boolean; error?: string }[];
}
export interface Finding {
  group: string; rule: string; file: string; line: number; class: string; severity: 'error' | 'warning'; message: string; expr: string; rewrite?: string; since: number;
}
export interface Span {
  span_id: string; parent_id?: string; service: string; name: string; kind: string; start: number; duration: number;
  status: string; status_message?: string; attributes: Record<string, unknown>;
  events: { t: number; name: string; attributes: Record<string, unknown> }[]; resource: Record<string, unknown>;
}
export interface TraceLog { t: number; level: string; service: string; message: string; span_id?: string; fields: Record<string, unknown> }
export interface Trace { trace_id: string; start: number; duration: number; services: string[]; spans: Span[]; logs: TraceLog[]; truncated?: boolean }

const get = <T>(path: string, parameters?: Parameters, signal?: AbortSignal) => ask<T>(`api/sonde/v1/${path}`, { parameters, signal });

// Maps and lists that are empty may be left out of an answer; the pages need not know.
const wholeAlert = (a: AlertRow): AlertRow => ({ ...a, labels: a.labels ?? {}, annotations: a.annotations ?? {} });
const wholeTrace = (t: Trace): Trace => ({
  ...t, services: t.services ?? [], logs: t.logs ?? [],
  spans: (t.spans ?? []).map(s => ({ ...s, status: s.status ?? '', attributes: s.attributes ?? {}, events: s.events ?? [], resource: s.resource ?? {} })),
});
const wholeRow = (s: ServiceRow): ServiceRow => ({
  ...s, sources: s.sources ?? [], spark: { rate: s.spark?.rate ?? [], errors: s.spark?.errors ?? [], p95: s.spark?.p95 ?? [] },
  instances: s.instances ?? { up: 0, down: 0 }, checks: s.checks ?? { ok: 0, failing: 0 }, alerts: s.alerts ?? { firing: 0, pending: 0 },
});
const wholeMessage = (m: Message): Message => ({ ...m, labels: m.labels ?? {}, annotations: m.annotations ?? {}, deliveries: m.deliveries ?? [], alerts: (m.alerts ?? []).map(a => ({ ...a, labels: a.labels ?? {}, annotations: a.annotations ?? {} })) });

export const sonde = {
  status: (signal?: AbortSignal) => get<Status>('status', {}, signal),
  overview: (start: number, end: number, signal?: AbortSignal) => get<Overview>('overview', { start, end }, signal).then(o => ({ ...o, services: o.services.map(wholeRow) })),
  services: (signal?: AbortSignal) => get<{ services: string[] }>('services', {}, signal),
  service: (name: string, start: number, end: number, signal?: AbortSignal) => get<ServiceDetail>(`services/${encodeURIComponent(name)}`, { start, end }, signal).then(d => ({ ...d, service: wholeRow(d.service) })),
  queries: (p: { start: number; end: number; service?: string; limit: number }, signal?: AbortSignal) => get<{ statements: Statement[]; truncated: boolean }>('queries', p, signal),
  query: (fingerprint: string, p: { start: number; end: number; service?: string }, signal?: AbortSignal) =>
    get<StatementDetail>(`queries/${encodeURIComponent(fingerprint)}`, p, signal),
  alerts: (signal?: AbortSignal) => get<{ alerts: AlertRow[] }>('alerts', {}, signal).then(a => ({ alerts: a.alerts.map(wholeAlert) })),
  history: (start: number, end: number, limit: number, signal?: AbortSignal) => get<{ transitions: Transition[]; truncated: boolean }>('alerts/history', { start, end, limit }, signal),
  evidence: (labels: Labels, t: number, signal?: AbortSignal) => get<Evidence>('evidence', { labels: JSON.stringify(labels), t }, signal),
  inbox: (limit: number, signal?: AbortSignal) => get<{ messages: Message[]; unread: number }>('inbox', { limit }, signal).then(i => ({ ...i, messages: i.messages.map(wholeMessage) })),
  markRead: (id: string | number) => ask<object>(`api/sonde/v1/inbox/${encodeURIComponent(String(id))}/read`, { method: 'POST' }),
  findings: (signal?: AbortSignal) => get<{ findings: Finding[] }>('findings', {}, signal),
  traces: (p: { service?: string; operation?: string; tags?: string[]; min_duration?: number; max_duration?: number; errors?: boolean; order?: 'time' | 'duration'; start: number; end: number; limit: number }, signal?: AbortSignal) =>
    get<{ traces: TraceRow[]; truncated?: boolean }>('traces', p, signal),
  trace: (id: string, signal?: AbortSignal) => get<Trace>(`traces/${encodeURIComponent(id)}`, {}, signal).then(wholeTrace),
};
