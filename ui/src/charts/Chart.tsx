import 'uplot/dist/uPlot.min.css';
import { useEffect, useMemo, useRef, useState } from 'react';
import uPlot from 'uplot';
import { useScheme } from '../app/theme';
import { useStatus } from '../app/useStatus';
import { axisLabels } from '../time/clock';
import type { Range } from '../time/range';
import { useTime } from '../time/TimeContext';
import { align, stack, thinned, type ChartSeries } from './align';
import { ChartTable } from './ChartTable';
import { Legend } from './Legend';
import { seriesColor } from './palette';
import { fillTip } from './tip';
import { writeIn, type Unit } from './unit';

export interface Dot { t: number; value: number; title: string; hot?: boolean; open: () => void }
export interface Marker { t: number; text: string; tone: 'bad' | 'warn' | 'info' }

interface Props {
  title: string;            // for readers of the screen
  series: ChartSeries[];
  unit?: Unit;
  range?: Range;            // the page's by default
  height?: number;
  zero?: boolean;           // the axis begins at zero
  area?: boolean;
  stacked?: boolean;
  threshold?: number;
  dots?: Dot[];
  markers?: Marker[];
  legend?: boolean;
  table?: boolean;
}

const cursorKey = 'sonde';

export function Chart({ title, series, unit = 'number', range: given, height = 190, zero = true, area = false, stacked = false, threshold, dots = [], markers = [], legend = true, table = false }: Props) {
  const time = useTime();
  const { scheme } = useScheme();
  const synthetic = useStatus().data?.synthetic_until;
  const host = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [only, setOnly] = useState<string | null>(null);
  const range = given ?? time.range;
  const write = writeIn(unit);

  const colored = useMemo(() => series.map((s, i) => ({ ...s, color: s.color ?? seriesColor(i, scheme) })), [series, scheme]);
  const columns = useMemo(() => align(colored), [colored]);
  const drawn = useMemo(() => [columns.times, ...(stacked ? stack(columns.values) : columns.values)] as uPlot.AlignedData, [columns, stacked]);

  // What the hooks of a living plot need to know of the newest render.
  const live = useRef({ range, threshold, dots, markers, synthetic, time, columns, colored, write, only });
  live.current = { range, threshold, dots, markers, synthetic, time, columns, colored, write, only };

  const shape = colored.map(s => `${s.name}\u0000${s.color}\u0000${s.dash ?? ''}`).join('\u0001') + scheme + stacked + area + zero + unit + time.zone + height;
  useEffect(() => {
    const element = host.current;
    if (!element || table) return;
    const css = getComputedStyle(document.documentElement);
    const token = (name: string) => css.getPropertyValue(name).trim();
    const font = `11px ${token('--font')}`;
    const axis = { stroke: token('--muted'), font, grid: { stroke: token('--grid'), width: 1 }, ticks: { show: false } };
    const options: uPlot.Options = {
      width: Math.max(120, element.clientWidth),
      height,
      padding: [10, 12, 0, 0],
      legend: { show: false },
      scales: {
        x: { time: true, range: () => [live.current.range.start, live.current.range.end] },
        y: {
          range: (_, min, max) => {
            const bound = live.current.threshold;
            const top = Math.max(max ?? 0, bound ?? -Infinity);
            if (min === null || max === null) return [0, bound ? bound * 1.2 : 1];
            if (!zero) { const pad = (top - min) * 0.08 || Math.abs(top) * 0.1 || 1; return [min - pad, top + pad]; }
            return [Math.min(0, min), top > 0 ? top * 1.1 : unit === 'ratio' ? 0.01 : 1];
          },
        },
      },
      axes: [
        { ...axis, space: 70, size: 30, values: (_, splits, __, ___, increment) => axisLabels(splits, live.current.time.zone, increment) },
        { ...axis, size: 62, space: 34, values: (_, splits) => splits.map(v => live.current.write(v).replace('/s', '')) },
      ],
      tzDate: t => (live.current.time.zone === 'utc' ? uPlot.tzDate(new Date(t * 1000), 'Etc/UTC') : new Date(t * 1000)),
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { size: 6 },
        sync: { key: cursorKey, setSeries: false, scales: ['x', null], filters: { pub: type => type === 'mousemove' || type === 'mouseleave' } },
        bind: { dblclick: () => () => { live.current.time.back(); return null; } },
      },
      series: [
        {},
        ...colored.map(s => ({
          stroke: s.color,
          width: s.width ?? 1.6,
          dash: s.dash ? [5, 4] : undefined,
          fill: area || stacked ? `${s.color}${stacked ? '55' : '22'}` : undefined,
          points: { show: columns.times.length < 3 },
        })),
      ],
      bands: stacked ? colored.slice(1).map((_, i) => ({ series: [i + 2, i + 1] as [number, number] })) : undefined,
      hooks: {
        setSelect: [u => {
          const { left, width } = u.select;
          if (width > 4) live.current.time.zoom({ start: u.posToVal(left, 'x'), end: u.posToVal(left + width, 'x') });
          if (width > 0) u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
        setCursor: [u => {
          if (!tip.current) return;
          const hovered = u.over.matches(':hover');
          fillTip(tip.current, hovered ? u : null, live.current.columns, live.current.colored, live.current.write, live.current.time, live.current.only);
        }],
        drawClear: [u => {
          const until = live.current.synthetic;
          if (!until || until <= live.current.range.start) return;
          const { ctx, bbox } = u;
          const right = Math.min(bbox.left + bbox.width, u.valToPos(until, 'x', true));
          ctx.save();
          ctx.fillStyle = token('--sunken');
          ctx.fillRect(bbox.left, bbox.top, right - bbox.left, bbox.height);
          ctx.restore();
        }],
        draw: [u => {
          const { ctx, bbox } = u;
          const { threshold: bound, markers: marks, dots: spots, range: span, synthetic: until } = live.current;
          ctx.save();
          if (until && until > span.start && u.valToPos(until, 'x', true) - bbox.left > 70 * devicePixelRatio) {
            ctx.font = `${10 * devicePixelRatio}px ${token('--font')}`;
            ctx.textAlign = 'left';
            ctx.textBaseline = 'alphabetic';
            ctx.fillStyle = token('--sunken');
            ctx.fillRect(bbox.left + 3 * devicePixelRatio, bbox.top + 2 * devicePixelRatio, ctx.measureText('synthetic').width + 5 * devicePixelRatio, 12 * devicePixelRatio);
            ctx.fillStyle = token('--muted');
            ctx.fillText('synthetic', bbox.left + 5 * devicePixelRatio, bbox.top + 11 * devicePixelRatio);
          }
          if (bound !== undefined) {
            const y = Math.round(u.valToPos(bound, 'y', true)) + 0.5;
            ctx.strokeStyle = ctx.fillStyle = token('--bad');
            ctx.lineWidth = 1.2 * devicePixelRatio;
            ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
            ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
            ctx.font = `${11 * devicePixelRatio}px ${token('--font')}`;
            ctx.textAlign = 'left';
            ctx.textBaseline = 'alphabetic';
            ctx.setLineDash([]);
            ctx.fillText(`threshold ${live.current.write(bound)}`, bbox.left + 6 * devicePixelRatio, y - 5 * devicePixelRatio);
          }
          for (const m of marks) {
            if (m.t < span.start || m.t > span.end) continue;
            const x = Math.round(u.valToPos(m.t, 'x', true)) + 0.5;
            ctx.strokeStyle = ctx.fillStyle = token(`--${m.tone}`);
            ctx.lineWidth = devicePixelRatio;
            ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
            ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
            ctx.setLineDash([]);
            ctx.beginPath(); ctx.moveTo(x - 4 * devicePixelRatio, bbox.top); ctx.lineTo(x + 4 * devicePixelRatio, bbox.top); ctx.lineTo(x, bbox.top + 6 * devicePixelRatio); ctx.fill();
          }
          ctx.restore();
          placeDots(u, thinned(spots, span.start, span.end, 48));
        }],
      },
    };
    const u = new uPlot(options, drawn, element);
    plot.current = u;
    uPlot.sync(cursorKey).sub(u);
    const observer = new ResizeObserver(() => { if (element.clientWidth > 0) u.setSize({ width: element.clientWidth, height }); });
    observer.observe(element);
    return () => { observer.disconnect(); uPlot.sync(cursorKey).unsub(u); u.destroy(); plot.current = null; };
    // A new plot only when its form changes; new data goes into the living one below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [shape, table]);

  useEffect(() => { plot.current?.setData(drawn); }, [drawn, range.start, range.end]);
  useEffect(() => { plot.current?.redraw(false); }, [dots, markers, threshold, synthetic]);
  useEffect(() => {
    const u = plot.current;
    if (!u) return;
    colored.forEach((s, i) => { if (u.series[i + 1]) u.setSeries(i + 1, { show: only === null || only === s.name }); });
  }, [only, shape, colored]);

  if (table) return <ChartTable title={title} series={colored} columns={columns} write={write} />;
  const nothing = columns.times.length === 0;
  return (
    <figure className="chart" aria-label={title}>
      <div ref={host} className="plot" style={{ height }} role="group" aria-label={`${title}: ${summary(colored, write)}`} />
      {nothing && <div className="chart-empty">no samples in this range</div>}
      <div ref={tip} className="chart-tip" hidden />
      {legend && <Legend series={colored} write={write} only={only} onOnly={setOnly} />}
    </figure>
  );
}

function summary(series: ChartSeries[], write: (v: number) => string): string {
  if (series.length === 0) return 'no series';
  return series.slice(0, 4).map(s => `${s.name} ${s.points.length ? write(s.points[s.points.length - 1][1]) : 'no samples'}`).join(', ') + (series.length > 4 ? ` and ${series.length - 4} more` : '');
}

// Buttons over the canvas: they take the focus and a click, which pixels cannot.
function placeDots(u: uPlot, dots: Dot[]) {
  u.over.querySelectorAll('.exemplar').forEach(e => e.remove());
  for (const dot of dots) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = dot.hot ? 'exemplar hot' : 'exemplar';
    button.title = dot.title;
    button.setAttribute('aria-label', dot.title);
    const height = u.over.clientHeight;
    button.style.left = `${u.valToPos(dot.t, 'x')}px`;
    button.style.top = `${Math.min(height - 5, Math.max(5, u.valToPos(dot.value, 'y')))}px`;
    button.addEventListener('mousedown', e => e.stopPropagation());
    button.addEventListener('click', e => { e.stopPropagation(); dot.open(); });
    u.over.append(button);
  }
}
