// LogQL as far as the page writes it itself: the stream selector and the level filter after it. Everything else in
// the text is the user's and stays as it is.

import type { Level } from './lines';

export interface Matcher { label: string; op: '=' | '!=' | '=~' | '!~'; value: string }

export const everything = '{service_name=~".+"}';

// The selector in braces at the head of the text, honouring quotes; undefined when there is none or it is broken.
export function splitQuery(query: string): { matchers: Matcher[]; rest: string } | undefined {
  const text = query.trimStart();
  if (!text.startsWith('{')) return undefined;
  const matchers: Matcher[] = [];
  let at = 1;
  const token = /\s*([a-zA-Z_][\w.:]*)\s*(=~|!~|!=|=)\s*("(?:\\.|[^"\\])*"|`[^`]*`)\s*(,?)/y;
  for (;;) {
    const close = /\s*\}/y;
    close.lastIndex = at;
    if (close.test(text)) return { matchers, rest: text.slice(close.lastIndex) };
    token.lastIndex = at;
    const m = token.exec(text);
    if (!m) return undefined;
    const value = unquoted(m[3]);
    if (value === undefined) return undefined;
    matchers.push({ label: m[1], op: m[2] as Matcher['op'], value });
    at = token.lastIndex;
    if (!m[4]) {
      close.lastIndex = at;
      return close.test(text) ? { matchers, rest: text.slice(close.lastIndex) } : undefined;
    }
  }
}

function unquoted(literal: string): string | undefined {
  if (literal.startsWith('`')) return literal.slice(1, -1);
  try {
    return JSON.parse(literal) as string;
  } catch {
    return undefined;
  }
}

export function writeSelector(matchers: Matcher[]): string {
  return `{${matchers.map(m => `${m.label}${m.op}${JSON.stringify(m.value)}`).join(', ')}}`;
}

export function withMatcher(query: string, matcher: Matcher): string {
  const parts = splitQuery(query) ?? { matchers: [], rest: '' };
  const kept = parts.matchers.filter(m => !(m.label === matcher.label && (m.op === matcher.op || (m.op === '=~' && m.value === '.+'))));
  return writeSelector([...kept, matcher]) + parts.rest;
}

export function withoutMatcher(query: string, index: number): string {
  const parts = splitQuery(query);
  if (!parts) return query;
  const kept = parts.matchers.filter((_, i) => i !== index);
  return (kept.length ? writeSelector(kept) : everything) + parts.rest;
}

// A filter on the rest of the line: ` |= "text"`.
export const withText = (query: string, text: string) => `${query.trimEnd()} |= ${JSON.stringify(text)}`;

const levelFilter = /\s*\|\s*detected_level\s*=~\s*"([^"]*)"/;
const spellings: Record<Level, string> = { fatal: 'fatal|critical', error: 'error', warn: 'warn|warning', info: 'info', debug: 'debug', trace: 'trace', unknown: 'unknown' };

export function levelsOf(query: string): Level[] {
  const words = levelFilter.exec(query)?.[1].split('|') ?? [];
  return (Object.keys(spellings) as Level[]).filter(l => words.includes(spellings[l].split('|')[0]));
}

export function withLevels(query: string, chosen: Level[]): string {
  const bare = query.replace(levelFilter, '');
  if (chosen.length === 0) return bare;
  const filter = ` | detected_level=~"${chosen.map(l => spellings[l]).join('|')}"`;
  const parts = splitQuery(bare);
  // Straight after the selector: there the store can use it before it parses anything.
  return parts ? writeSelector(parts.matchers) + filter + parts.rest : bare + filter;
}

// Whether the answer is numbers over time rather than lines.
export const isMetricQuery = (query: string) => /^\s*(sum|avg|min|max|count|topk|bottomk|stddev|stdvar|rate|count_over_time|bytes_rate|bytes_over_time|quantile_over_time|\w+_over_time|absent_over_time|vector|sort|sort_desc)\b[\s\S]*\(/.test(query);
