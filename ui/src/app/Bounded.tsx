import { useState, type ReactNode } from 'react';
import { count } from './figures';

const first = 100;

// The first hundred of a list of plain rows, and a button for the rest: what is not virtualised stays short.
export function useBounded<T>(rows: T[]): { shown: T[]; more: ReactNode } {
  const [all, setAll] = useState(false);
  if (all || rows.length <= first) return { shown: rows, more: null };
  return { shown: rows.slice(0, first), more: <div className="body row"><button type="button" className="btn" onClick={() => setAll(true)}>Show all {count(rows.length)}</button><span className="muted small">{first} of {count(rows.length)} shown</span></div> };
}
