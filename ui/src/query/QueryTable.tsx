import { useState } from 'react';
import type { Instant } from '../api/prometheus';
import { count } from '../app/figures';
import { useTime } from '../time/TimeContext';
import { seriesName } from './seriesName';

const first = 200;

export function QueryTable({ result }: { result: Instant }) {
  const time = useTime();
  const [all, setAll] = useState(false);
  if ('value' in result) return <p className="body"><span className="muted">{result.kind}</span> <b className="mono">{result.value[1]}</b></p>;
  const rows = result.kind === 'vector'
    ? result.samples.map(s => ({ metric: s.metric, text: String(s.value[1]) }))
    : result.series.map(s => ({ metric: s.metric, text: s.values.slice(-20).map(([t, v]) => `${v} @ ${time.clock(t, 'ms')}`).join('\n') }));
  if (rows.length === 0) return <p className="body muted">No series at {time.instant(time.range.end)}. The graph shows whether there were any before.</p>;
  const shown = all ? rows : rows.slice(0, first);
  return (
    <div className="tall" tabIndex={0} role="region" aria-label="Result">
      <table className="data">
        <thead><tr><th scope="col">Series ({count(rows.length)})</th><th scope="col" className="num">Value at {time.clock(time.range.end)}</th></tr></thead>
        <tbody>{shown.map((r, i) => <tr key={i}><td className="mono" style={{ overflowWrap: 'anywhere' }}>{seriesName(r.metric)}</td><td className="num mono" style={{ whiteSpace: 'pre' }}>{r.text}</td></tr>)}</tbody>
      </table>
      {shown.length < rows.length && <div className="body"><button type="button" className="btn" onClick={() => setAll(true)}>Show all {count(rows.length)}</button></div>}
    </div>
  );
}
