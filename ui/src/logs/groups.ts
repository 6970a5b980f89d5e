// Lines that differ only in numbers and ids are one message.

import type { LogLine } from './lines';

export interface Group { pattern: string; count: number; last: number; traceId?: string }

export function patternOf(text: string): string {
  return messageOf(text)
    .replace(/"[^"]*\d[^"]*"/g, '"‹…›"')
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '‹id›')
    .replace(/\b[0-9a-f]{16,}\b/gi, '‹id›')
    .replace(/\b0x[0-9a-f]+\b/gi, '‹n›')
    .replace(/\d+(\.\d+)?/g, '‹n›')
    .slice(0, 300);
}

// A JSON line's message, or the line itself.
export function messageOf(text: string): string {
  if (!text.startsWith('{')) return text;
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    const message = body.message ?? body.msg ?? body.error;
    return typeof message === 'string' ? message : text;
  } catch {
    return text;
  }
}

export function grouped(lines: LogLine[]): Group[] {
  const groups = new Map<string, Group>();
  for (const l of lines) {
    const pattern = patternOf(l.text);
    const g = groups.get(pattern) ?? { pattern, count: 0, last: 0 };
    g.count++;
    g.last = Math.max(g.last, l.t);
    g.traceId ??= l.traceId;
    groups.set(pattern, g);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count || b.last - a.last);
}
