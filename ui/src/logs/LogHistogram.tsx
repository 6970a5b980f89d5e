import { useQuery } from '@tanstack/react-query';
import { useMemo, useState, type PointerEvent } from 'react';
import { countLogs } from '../api/loki';
import { count } from '../app/figures';
import { useScheme } from '../app/theme';
import { levelColor } from '../charts/palette';
import { useTime } from '../time/TimeContext';
import { countedBuckets, histogram, levels, type LogLine } from './lines';

const most = 80;
const height = 76;

// Lines by level over time, as stacked bars: counted by the server, or, where it cannot count this query, over the lines at
// hand. Drag zooms, as on every chart.
export function LogHistogram({ lines, query, start, end, live }: { lines: LogLine[]; query: string; start: number; end: number; live: boolean }) {
  const time = useTime();
  const { scheme } = useScheme();
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const step = Math.max(1, Math.ceil((end - start) / most));
  const counted = useQuery({ queryKey: ['log-counts', query, start, end, step], enabled: !live, retry: false, queryFn: ({ signal }) => countLogs(query, start, end, step, signal) });
  // A server that does not tell levels when it counts is asked in vain: the lines know theirs.
  const byServer = !live && !!counted.data && counted.data.length > 0 && (counted.data.some(c => c.level) || lines.every(l => l.level === 'unknown'));
  const bars = useMemo(() => (byServer ? countedBuckets(counted.data!, start, end, step) : histogram(lines, start, end, most)), [byServer, counted.data, lines, start, end, step]);
  const buckets = bars.length;
  const total = bars.reduce((n, b) => n + b.total, 0);
  const top = Math.max(1, ...bars.map(b => b.total));
  const at = (e: PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (e.clientX - box.left) / box.width));
  };
  const finish = (e: PointerEvent) => {
    if (!drag) return;
    const [a, b] = [drag[0], at(e)].sort((x, y) => x - y);
    setDrag(null);
    if (b - a > 0.01) time.zoom({ start: start + a * (end - start), end: start + b * (end - start) });
  };
  return (
    <div className="log-histogram">
      <svg viewBox={`0 0 ${buckets} ${height}`} preserveAspectRatio="none" height={height} role="img" aria-label={`${total} lines over time by level; at most ${top} in a bar`}
        onPointerDown={e => { e.currentTarget.setPointerCapture(e.pointerId); setDrag([at(e), at(e)]); }} onPointerMove={e => drag && setDrag([drag[0], at(e)])} onPointerUp={finish} onDoubleClick={time.back}>
        {bars.map((b, i) => {
          let y = height;
          return (
            <g key={i}>
              <title>{`${time.instant(b.start)}: ${b.total} lines${Object.entries(b.counts).map(([l, n]) => `, ${n} ${l}`).join('')}`}</title>
              <rect x={i} y={0} width={1} height={height} fill="transparent" />
              {[...levels].reverse().map(l => {
                const n = b.counts[l];
                if (!n) return null;
                const h = (n / top) * (height - 4);
                y -= h;
                return <rect key={l} x={i + 0.08} y={y} width={0.84} height={h} fill={levelColor(l, scheme)} />;
              })}
            </g>
          );
        })}
        {drag && <rect x={Math.min(...drag) * buckets} y={0} width={Math.abs(drag[1] - drag[0]) * buckets} height={height} fill="var(--accent)" opacity="0.2" />}
      </svg>
      <div className="row small muted" style={{ justifyContent: 'space-between' }}><span>{time.short(start)}</span><span>{byServer ? `${count(total)} lines in all` : `the ${count(total)} lines below`}, at most {count(top)} per bar</span><span>{time.short(end)}</span></div>
    </div>
  );
}
