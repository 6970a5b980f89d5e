// Log lines as the pages show them, out of Loki's streams.

import type { Stream } from '../api/loki';
import type { Labels } from '../api/sonde';

export type Level = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'unknown';
export const levels: Level[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'unknown'];

export interface LogLine { key: string; ns: string; t: number; level: Level; service: string; text: string; fields: Labels; traceId?: string; spanId?: string }

const names: Record<string, Level> = {
  fatal: 'fatal', critical: 'fatal', crit: 'fatal', emerg: 'fatal', emergency: 'fatal', alert: 'fatal', panic: 'fatal',
  error: 'error', err: 'error', eror: 'error', warn: 'warn', warning: 'warn', info: 'info', information: 'info', notice: 'info', informational: 'info',
  debug: 'debug', dbug: 'debug', trace: 'trace', verbose: 'trace',
};

export function levelOf(labels: Labels, text = ''): Level {
  for (const name of ['detected_level', 'level', 'severity', 'severity_text', 'lvl']) {
    const known = names[(labels[name] ?? '').toLowerCase()];
    if (known) return known;
  }
  const written = /\b(?:level|severity|lvl)"?\s*[=:]\s*"?([A-Za-z]+)/.exec(text.slice(0, 400)) ?? /^\S*\s*\[?(FATAL|ERROR|WARN(?:ING)?|INFO|DEBUG|TRACE)\b/.exec(text.slice(0, 120));
  return (written && names[written[1].toLowerCase()]) || 'unknown';
}

// What a line carries besides its message, worth a glance without opening it: no identity of the sender, of the trace or of the
// source code. The usual names are cut to their last word.
const apart = /^(service|telemetry|code|thread|host|os|process|container|k8s|cloud|deployment|scope|exporter|user_agent|client|network|server)_|^(detected_level|level|severity.*|lvl|trace_?id|span_?id|flags|observed_timestamp|job|instance|service|synthetic|http_route|url_scheme|http_response_body_size|__.*)$/i;
const first = ['http_request_method', 'url_path', 'http_response_status_code', 'duration_seconds'];
const brief: Record<string, string> = { http_request_method: '', url_path: '', http_response_status_code: '', db_query_text: 'query', exception_message: 'exception', error_type: 'error' };

export function glance(fields: Labels, write: (seconds: number) => string, most = 6): [string, string][] {
  const names = Object.keys(fields).filter(n => !apart.test(n) || (n === 'http_route' && !fields.url_path));
  const rank = (n: string) => (first.indexOf(n) + 1 || first.length + 1);
  return names.sort((a, b) => rank(a) - rank(b) || a.localeCompare(b)).slice(0, most).map(n => {
    const value = fields[n];
    if (/_seconds$/.test(n) && value !== '' && Number.isFinite(Number(value))) return [n.replace(/_seconds$/, ''), write(Number(value))];
    return [brief[n] ?? n, value.length > 80 ? `${value.slice(0, 79)}…` : value];
  });
}

// Attributes as OpenTelemetry names them, under the names and as the texts that Loki gives them.
export const plainFields = (attributes: Record<string, unknown> | undefined): Labels =>
  Object.fromEntries(Object.entries(attributes ?? {}).map(([k, v]) => [k.replace(/\./g, '_'), typeof v === 'object' ? JSON.stringify(v) : String(v)]));

// Newest first. `values` may carry structured metadata as a third element.
export function linesOf(streams: Stream[]): LogLine[] {
  const lines: LogLine[] = [];
  streams.forEach((s, i) => s.values.forEach(([ns, text, extra], j) => {
    const metadata = flat(extra);
    const fields = { ...s.stream, ...metadata };
    lines.push({
      key: `${ns}.${i}.${j}.${s.stream.service_name ?? ''}`, ns, t: Number(ns.slice(0, -9)) + Number(`0.${ns.slice(-9)}`), text,
      level: levelOf(fields, text), service: fields.service_name ?? fields.service ?? fields.job ?? '', fields,
      traceId: traceId(fields, text), spanId: fields.span_id ?? fields.spanID,
    });
  }));
  return lines.sort((a, b) => (a.ns.length - b.ns.length || (a.ns < b.ns ? -1 : a.ns > b.ns ? 1 : 0)) * -1);
}

function flat(extra: unknown): Labels {
  if (!extra || typeof extra !== 'object') return {};
  const e = extra as { structuredMetadata?: Labels; parsed?: Labels };
  return e.structuredMetadata || e.parsed ? { ...e.structuredMetadata, ...e.parsed } : (extra as Labels);
}

function traceId(fields: Labels, text: string): string | undefined {
  const given = fields.trace_id ?? fields.traceID ?? fields.traceId;
  if (given && /^[0-9a-fA-F]{16,32}$/.test(given)) return given.toLowerCase();
  return /trace_?id"?\s*[=:]\s*"?([0-9a-f]{32})/i.exec(text)?.[1]?.toLowerCase();
}

// Two answers of one query, overlapping in time, without doubles. Newest first, at most `limit`.
export function merged(old: LogLine[], fresh: LogLine[], limit: number): LogLine[] {
  const identity = (l: LogLine) => `${l.ns}\u0000${l.service}\u0000${l.text}`;
  const seen = new Set(old.map(identity));
  const added = fresh.filter(l => !seen.has(identity(l)));
  return added.length === 0 ? old : [...added, ...old].sort((a, b) => b.t - a.t || (a.ns < b.ns ? 1 : -1)).slice(0, limit);
}

export interface Bucket { start: number; counts: Partial<Record<Level, number>>; total: number }

export function histogram(lines: LogLine[], start: number, end: number, buckets: number): Bucket[] {
  const width = (end - start) / buckets;
  const out: Bucket[] = Array.from({ length: buckets }, (_, i) => ({ start: start + i * width, counts: {}, total: 0 }));
  for (const l of lines) {
    const b = out[Math.min(buckets - 1, Math.floor((l.t - start) / width))];
    if (!b || l.t < start) continue;
    b.counts[l.level] = (b.counts[l.level] ?? 0) + 1;
    b.total++;
  }
  return out;
}

// The server's counts in the same form. A count at t covers the step that ends there.
export function countedBuckets(counts: { level: string; values: [number, number][] }[], start: number, end: number, step: number): Bucket[] {
  const n = Math.max(1, Math.ceil((end - start) / step));
  const out: Bucket[] = Array.from({ length: n }, (_, i) => ({ start: start + i * step, counts: {}, total: 0 }));
  for (const c of counts) {
    const level = names[c.level.toLowerCase()] ?? 'unknown';
    for (const [t, v] of c.values) {
      const b = out[Math.min(n - 1, Math.floor((t - step / 2 - start) / step))];
      if (!b || v <= 0) continue;
      b.counts[level] = (b.counts[level] ?? 0) + v;
      b.total += v;
    }
  }
  return out;
}
