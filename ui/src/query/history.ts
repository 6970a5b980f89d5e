// The last queries that were run, newest first, kept in this browser only.

const key = 'sonde.queries';
const most = 40;

export function pushed(history: string[], expr: string): string[] {
  const text = expr.trim();
  return text ? [text, ...history.filter(h => h !== text)].slice(0, most) : history;
}

export function readHistory(): string[] {
  try {
    const stored = JSON.parse(localStorage.getItem(key) ?? '[]') as unknown;
    return Array.isArray(stored) ? stored.filter((s): s is string => typeof s === 'string').slice(0, most) : [];
  } catch {
    return [];
  }
}

export function remember(expr: string): string[] {
  const next = pushed(readHistory(), expr);
  try {
    localStorage.setItem(key, JSON.stringify(next));
  } catch {
    // A full or forbidden store costs the history, nothing else.
  }
  return next;
}
