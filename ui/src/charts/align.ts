// Series with their own timestamps become columns over one time axis, as uPlot wants them.

import type { Point } from '../api/sonde';

export interface ChartSeries { name: string; points: Point[]; color?: string; dash?: boolean; width?: number; labels?: Record<string, string> }

export interface Columns { times: number[]; values: (number | null)[][] }

// A pause of more than one and a half steps is drawn as a gap, by a null after the last point before it.
export function align(series: ChartSeries[]): Columns {
  const all = new Set<number>();
  for (const s of series) for (const [t] of s.points) all.add(t);
  const sorted = [...all].sort((a, b) => a - b);
  let step = Infinity;
  for (let i = 1; i < sorted.length; i++) step = Math.min(step, sorted[i] - sorted[i - 1]);
  const times: number[] = [];
  sorted.forEach((t, i) => {
    if (i > 0 && t - sorted[i - 1] > step * 1.5) times.push(sorted[i - 1] + step);
    times.push(t);
  });
  const values = series.map(s => {
    const at = new Map(s.points);
    return times.map(t => {
      const v = at.get(t);
      return v === undefined || !Number.isFinite(v) ? null : v;
    });
  });
  return { times, values };
}

export function stack(values: (number | null)[][]): (number | null)[][] {
  const sums: number[] = [];
  return values.map(column => column.map((v, i) => (sums[i] = (sums[i] ?? 0) + (v ?? 0))));
}

export function lastValue(points: Point[]): number | null {
  for (let i = points.length - 1; i >= 0; i--) if (Number.isFinite(points[i][1])) return points[i][1];
  return null;
}

export function maxValue(points: Point[]): number | null {
  let max: number | null = null;
  for (const [, v] of points) if (Number.isFinite(v) && (max === null || v > max)) max = v;
  return max;
}

// The highest exemplar of each pixel column, at most `limit`: what can be aimed at with a pointer.
export function thinned<E extends { t: number; value: number }>(exemplars: E[], start: number, end: number, limit: number): E[] {
  const best = new Map<number, E>();
  for (const e of exemplars) {
    if (e.t < start || e.t > end) continue;
    const column = Math.floor(((e.t - start) / (end - start)) * limit);
    const known = best.get(column);
    if (!known || known.value < e.value) best.set(column, e);
  }
  return [...best.values()].sort((a, b) => a.t - b.t);
}
