import { useRef, useState } from 'react';
import { useLocation } from 'wouter';
import type { TraceRow } from '../api/sonde';
import { paths, withSearch } from '../app/links';
import { took } from '../time/duration';
import type { Range } from '../time/range';
import { useTime } from '../time/TimeContext';

const width = 1000;
const height = 150;
const pad = { left: 66, right: 16, top: 10, bottom: 22 };

// Traces by start and duration, the duration on a log scale. Drag zooms, a dot opens its trace.
export function Scatter({ traces, range }: { traces: TraceRow[]; range: Range }) {
  const time = useTime();
  const [, navigate] = useLocation();
  const box = useRef<SVGSVGElement>(null);
  const [drag, setDrag] = useState<[number, number] | null>(null);
  const durations = traces.map(t => Math.max(t.duration, 1e-6));
  const low = Math.floor(Math.log10(Math.min(...durations)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...durations))));
  const x = (t: number) => pad.left + ((t - range.start) / (range.end - range.start)) * (width - pad.left - pad.right);
  const y = (d: number) => height - pad.bottom - ((Math.log10(Math.max(d, 1e-6)) - low) / (high - low)) * (height - pad.top - pad.bottom);
  const timeAt = (clientX: number) => {
    const r = box.current!.getBoundingClientRect();
    const inside = ((clientX - r.left) / r.width) * width;
    return range.start + Math.min(1, Math.max(0, (inside - pad.left) / (width - pad.left - pad.right))) * (range.end - range.start);
  };
  return (
    <svg ref={box} className="scatter" viewBox={`0 0 ${width} ${height}`} role="group" aria-label={`${traces.length} traces by start and duration; the list below has the same`}
      onPointerDown={e => { if ((e.target as Element).tagName !== 'circle') setDrag([timeAt(e.clientX), timeAt(e.clientX)]); }}
      onPointerMove={e => drag && setDrag([drag[0], timeAt(e.clientX)])}
      onPointerUp={() => { if (drag && Math.abs(drag[1] - drag[0]) > (range.end - range.start) * 0.01) time.zoom({ start: Math.min(...drag), end: Math.max(...drag) }); setDrag(null); }}
      onPointerLeave={() => setDrag(null)} onDoubleClick={time.back}>
      {Array.from({ length: high - low + 1 }, (_, i) => low + i).map(p => (
        <g key={p}><line x1={pad.left} x2={width - pad.right} y1={y(10 ** p)} y2={y(10 ** p)} stroke="var(--grid)" /><text x={pad.left - 8} y={y(10 ** p) + 4} textAnchor="end" className="tick">{took(10 ** p)}</text></g>
      ))}
      {[0, 0.25, 0.5, 0.75, 1].map(f => { const t = range.start + f * (range.end - range.start); return <text key={f} x={x(t)} y={height - 5} textAnchor={f === 1 ? 'end' : f === 0 ? 'start' : 'middle'} className="tick">{time.clock(t, range.end - range.start < 600 ? 's' : 'm')}</text>; })}
      {drag && <rect x={x(Math.min(...drag))} width={Math.abs(x(drag[1]) - x(drag[0]))} y={pad.top} height={height - pad.top - pad.bottom} fill="var(--accent)" opacity="0.18" />}
      {traces.map(t => (
        <circle key={t.trace_id} cx={x(t.start)} cy={y(t.duration)} r={Math.min(9, 3 + Math.sqrt(t.span_count) / 3)} className={t.error_count ? 'dot bad' : 'dot'}
          onClick={() => navigate(withSearch(paths.trace(t.trace_id), {}, window.location.search))}>
          <title>{`${t.root_service} ${t.root_name}: ${took(t.duration)}, ${t.span_count} spans${t.error_count ? `, ${t.error_count} errors` : ''}`}</title>
        </circle>
      ))}
    </svg>
  );
}
