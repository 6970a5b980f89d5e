import type { TraceRow } from '../api/sonde';
import { useBounded } from '../app/Bounded';
import { Go } from '../app/Go';
import { paths } from '../app/links';
import { Chip } from '../app/Mark';
import { useScheme } from '../app/theme';
import { colorOfName } from '../charts/palette';
import { took } from '../time/duration';
import { useTime } from '../time/TimeContext';

// Traces as rows of plain elements, each with a bar to compare durations by eye.
export function TraceTable({ traces, compact = false }: { traces: TraceRow[]; compact?: boolean }) {
  const time = useTime();
  const { scheme } = useScheme();
  const longest = Math.max(...traces.map(t => t.duration), 1e-9);
  const { shown, more } = useBounded(traces);
  return (
    <>
    <table className="data traces">
      <thead><tr><th scope="col">Start</th><th scope="col">Root</th>{!compact && <th scope="col">Services</th>}{!compact && <th scope="col" className="num">Spans</th>}<th scope="col" className="num">Duration</th><th scope="col"><span className="only-readers">Share of the longest</span></th></tr></thead>
      <tbody>
        {shown.map(t => (
          <tr key={t.trace_id}>
            <td className="nowrap muted">{time.short(t.start)}</td>
            <td><Go to={paths.trace(t.trace_id)}><b>{t.root_service}</b> {t.root_name}</Go>{t.error_count > 0 && <> <Chip tone="bad">{t.error_count} {t.error_count === 1 ? 'error' : 'errors'}</Chip></>}</td>
            {!compact && <td><span className="row wrap" style={{ gap: '2px 10px' }}>{t.services.slice(0, 5).map(([name, n]) => <span key={name} className="small nowrap"><i className="swatch" style={{ background: colorOfName(name, scheme) }} />{name} <span className="muted">{n}</span></span>)}</span></td>}
            {!compact && <td className="num">{t.span_count}</td>}
            <td className="num">{took(t.duration)}</td>
            <td className="bar-cell"><i className="bar" style={{ width: `${Math.max(1, (t.duration / longest) * 100)}%`, background: t.error_count ? 'var(--bad)' : 'var(--accent)' }} /></td>
          </tr>
        ))}
      </tbody>
    </table>
    {more}
    </>
  );
}
