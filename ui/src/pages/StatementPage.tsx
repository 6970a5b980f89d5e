import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useLocation } from 'wouter';
import { sonde } from '../api/sonde';
import { count, figure, percent } from '../app/figures';
import { Go } from '../app/Go';
import { paths, withSearch } from '../app/links';
import { Chip, Mark } from '../app/Mark';
import { Copy, Empty, Problem, Waiting } from '../app/messages';
import { Card, Page, Tile } from '../app/Page';
import { useUrl } from '../app/urlState';
import type { Dot } from '../charts/Chart';
import { ChartCard } from '../charts/ChartCard';
import { took } from '../time/duration';
import { useTime } from '../time/TimeContext';

export default function StatementPage({ fingerprint }: { fingerprint: string }) {
  const time = useTime();
  const url = useUrl();
  const [, navigate] = useLocation();
  const service = url.get('service');
  const { start, end } = time.range;
  const answer = useQuery({ queryKey: ['statement', fingerprint, start, end, service], queryFn: ({ signal }) => sonde.query(fingerprint, { start, end, service }, signal) });
  const s = answer.data?.statement;
  const traces = answer.data?.traces;
  const dots = useMemo<Dot[]>(() => (traces ?? []).map(t => ({ t: t.t, value: t.duration, hot: t.error || t.duration > (s?.p95 ?? Infinity), title: `${took(t.duration)} in ${t.service}: open the trace`, open: () => navigate(withSearch(paths.trace(t.trace_id), { span: t.span_id }, window.location.search)) })), [traces, s?.p95, navigate]);
  const slowest = useMemo(() => [...(traces ?? [])].sort((a, b) => b.duration - a.duration).slice(0, 50), [traces]);
  const series = answer.data?.series;
  return (
    <Page title="Statement" ready={!answer.isPending} empty={!!answer.error} sub={s && <><Chip>{s.system}</Chip>{s.sampled && <Chip title="From spans, which a sampler may have thinned out">sampled</Chip>}<Go to={paths.service(s.service)}>{s.service}</Go><code>{s.fingerprint}</code></>}
      actions={<Go className="btn" to="/queries">All statements</Go>}>
      {answer.error && <div className="stack"><Problem error={answer.error} title="The statement could not be read" /><Empty title="It may not have run in this range" action={<Go className="btn primary" to="/queries">All statements</Go>}>Widen the range with the time picker above.</Empty></div>}
      {answer.isPending && <Waiting rows={8} />}
      {s && series && (
        <div className="stack">
          <div className="snippet"><header><span>Statement, its literals replaced</span><Copy text={s.text} /></header><pre tabIndex={0} style={{ whiteSpace: 'pre-wrap' }}>{s.text}</pre></div>
          <div className="tiles">
            <div className="tile"><Tile label="Calls" figure={count(s.calls)} note={`${figure(s.rate)}/s`} /></div>
            <div className="tile"><Tile label="Mean" figure={took(s.mean)} note={`p50 ${took(s.p50)}`} /></div>
            <div className="tile"><Tile label="p95" figure={took(s.p95)} note={s.max ? `at most ${took(s.max)}` : undefined} /></div>
            <div className="tile"><Tile label="Errors" figure={count(s.errors)} note={s.errors ? <Mark tone="bad">{percent(s.errors / Math.max(1, s.calls))}</Mark> : <Mark tone="ok">none</Mark>} /></div>
            <div className="tile"><Tile label="Total time" figure={took(s.total_seconds)} note="in the database" /></div>
          </div>
          <div className="grid two">
            <ChartCard title="Duration" sub={`p50, p95${dots.length ? ' · ◆ traces' : ''}`} unit="seconds" series={[{ name: 'p50', points: series.p50 }, { name: 'p95', points: series.p95 }]} dots={dots} height={220} />
            <ChartCard title="Calls and errors" sub="per second" unit="number" series={[{ name: 'calls', points: series.calls }, { name: 'errors', points: series.errors, dash: true }]} area height={220} />
          </div>
          <Card title="Traces with this statement" sub={slowest.length < s.calls ? 'the slowest and the newest' : 'slowest first'} flush>
            {slowest.length === 0 ? <p className="body muted">No stored trace has run it in this range.</p> : (
              <table className="data">
                <thead><tr><th scope="col">Start</th><th scope="col">Service</th><th scope="col">Result</th><th scope="col" className="num">Duration</th><th scope="col"><span className="only-readers">Share of the slowest</span></th><th scope="col">Trace</th></tr></thead>
                <tbody>{slowest.map(t => <tr key={t.trace_id + t.span_id}><td className="nowrap muted">{time.short(t.t)}</td><td>{t.service}</td><td>{t.error ? <Mark tone="bad">error</Mark> : <Mark tone="ok">ok</Mark>}</td><td className="num">{took(t.duration)}</td><td className="bar-cell"><i className="bar" style={{ width: `${Math.max(1, (t.duration / slowest[0].duration) * 100)}%`, background: t.error ? 'var(--bad)' : undefined }} /></td><td><Go to={paths.trace(t.trace_id)} with={{ span: t.span_id }}><code>{t.trace_id.slice(0, 12)}…</code></Go></td></tr>)}</tbody>
              </table>
            )}
          </Card>
        </div>
      )}
    </Page>
  );
}
