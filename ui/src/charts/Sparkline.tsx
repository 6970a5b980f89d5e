import type { Point } from '../api/sonde';

interface Props { points: Point[]; tone?: 'accent' | 'bad' | 'muted'; width?: number; height?: number; max?: number }

// A line without axes, in plain SVG: cheap enough for a table of hundreds. Hidden from readers, who have the figure beside it.
export function Sparkline({ points, tone = 'accent', width = 84, height = 22, max }: Props) {
  const path = sparkPath(points, width, height, max);
  const color = tone === 'bad' ? 'var(--bad)' : tone === 'muted' ? 'var(--muted)' : 'var(--accent)';
  return (
    <svg className="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      {path && <><path d={`${path}L${width} ${height}L0 ${height}Z`} fill={color} opacity="0.13" /><path d={path} fill="none" stroke={color} strokeWidth="1.4" strokeLinejoin="round" /></>}
    </svg>
  );
}

export function sparkPath(points: Point[], width: number, height: number, max?: number): string {
  const finite = points.filter(([, v]) => Number.isFinite(v));
  if (finite.length < 2) return '';
  const [start, end] = [finite[0][0], finite[finite.length - 1][0]];
  const top = max ?? finite.reduce((m, [, v]) => Math.max(m, v), 0);
  const y = (v: number) => (top > 0 ? height - 1.5 - (v / top) * (height - 3) : height - 1.5);
  return finite.map(([t, v], i) => `${i ? 'L' : 'M'}${(((t - start) / (end - start || 1)) * width).toFixed(1)} ${y(v).toFixed(1)}`).join('');
}
