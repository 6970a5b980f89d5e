import { useTime } from '../time/TimeContext';
import type { ChartSeries, Columns } from './align';

const rowsShown = 120;
const columnsShown = 12;

// The same figures as a table: for readers of the screen, and for reading off exact values.
export function ChartTable({ title, series, columns, write }: { title: string; series: ChartSeries[]; columns: Columns; write: (v: number | null) => string }) {
  const time = useTime();
  const first = Math.max(0, columns.times.length - rowsShown);
  return (
    <div className="scroll-x" style={{ maxHeight: 320, overflow: 'auto' }} tabIndex={0} role="region" aria-label={`${title}, as a table`}>
      <table className="data">
        <caption className="only-readers">{title}</caption>
        <thead><tr><th scope="col">Time ({time.zoneLabel})</th>{series.slice(0, columnsShown).map(s => <th key={s.name} scope="col" className="num">{s.name}</th>)}</tr></thead>
        <tbody>
          {columns.times.slice(first).map((t, i) => (
            <tr key={t}><td className="nowrap">{time.instant(t)}</td>{series.slice(0, columnsShown).map((s, j) => <td key={s.name} className="num">{write(columns.values[j][first + i])}</td>)}</tr>
          )).reverse()}
        </tbody>
      </table>
      {(first > 0 || series.length > columnsShown) && <p className="small muted" style={{ padding: 8 }}>{Math.min(series.length, columnsShown)} of {series.length} series, the newest {Math.min(rowsShown, columns.times.length)} of {columns.times.length} points.</p>}
    </div>
  );
}
