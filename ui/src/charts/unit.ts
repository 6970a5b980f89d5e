import { bytes, figure, percent } from '../app/figures';
import { took } from '../time/duration';

export type Unit = 'number' | 'rate' | 'seconds' | 'ratio' | 'bytes';

const writers: Record<Unit, (v: number | null | undefined) => string> = {
  number: figure,
  rate: v => (v === null || v === undefined ? '–' : `${figure(v)}/s`),
  seconds: took,
  ratio: percent,
  bytes: v => (v === null || v === undefined ? '–' : bytes(Math.round(v))),
};
export const writeIn = (unit: Unit) => writers[unit];

// Guesses from a PromQL expression; metric names carry their unit last.
export function unitOf(expr: string): Unit {
  const e = expr.replace(/\{[^}]*\}/g, '');
  if (/_ratio\b/.test(e)) return 'ratio';
  if (/_seconds_(count|total)\b/.test(e)) return 'number';
  if (/(_seconds(_bucket|_sum)?\b)/.test(e) && /histogram_quantile|_seconds\b/.test(e)) return /\brate\(/.test(e) && !/histogram_quantile/.test(e) ? 'number' : 'seconds';
  if (/_bytes\b/.test(e)) return 'bytes';
  return 'number';
}
