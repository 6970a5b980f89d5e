import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useLocation } from 'wouter';
import { queryLogs } from '../api/loki';
import { queryRange, type Series } from '../api/prometheus';
import { sonde, type AlertRow, type Labels } from '../api/sonde';
import { Go } from '../app/Go';
import { paths, withSearch } from '../app/links';
import { Mark } from '../app/Mark';
import { Problem, Waiting } from '../app/messages';
import type { ChartSeries } from '../charts/align';
import type { Dot, Marker } from '../charts/Chart';
import { ChartCard } from '../charts/ChartCard';
import { unitOf } from '../charts/unit';
import { seriesName } from '../query/seriesName';
import { linesOf } from '../logs/lines';
import { messageOf } from '../logs/groups';
import { StatementTable } from '../tables/StatementTable';
import { TraceTable } from '../tables/TraceTable';
import { took } from '../time/duration';
import { stepFor } from '../time/range';
import { useTime } from '../time/TimeContext';

// What belongs to an alert, found by its own labels and time: its graph, the exemplar highest above the threshold,
// the traces, the statements and the log lines of that service and hour.
export function EvidencePanel({ alert }: { alert: AlertRow }) {
  const time = useTime();
  const [, navigate] = useLocation();
  const at = alert.fired_at ?? alert.since;
  const answer = useQuery({ queryKey: ['evidence', alert.labels, at], queryFn: ({ signal }) => sonde.evidence({ alertname: alert.name, ...alert.labels }, at, signal), staleTime: 5000 });
  const e = answer.data;
  const expr = e?.expr || alert.expr;
  // The left side of a comparison: the line itself, also where it was still below the threshold.
  const drawn = alert.threshold !== undefined ? withoutComparison(expr) : expr;
  const range = e && { start: e.start, end: Math.max(e.end, e.start + 60) };
  const graph = useQuery({ queryKey: ['evidence-graph', drawn, range?.start, range?.end], enabled: !!range && !!drawn, queryFn: ({ signal }) => queryRange(drawn, range!.start, range!.end, stepFor(range!), signal) });
  const logs = useQuery({ queryKey: ['evidence-logs', e?.logs_query, range?.start, range?.end], enabled: !!e?.logs_query, queryFn: async ({ signal }) => linesOf((await queryLogs(e!.logs_query, range!.start, range!.end, 12, 'backward', signal)).streams) });
  const unit = unitOf(expr);
  const ex = e?.exemplar;
  const span = range ? { from: String(Math.floor(range.start)), to: String(Math.ceil(range.end)) } : {};
  const dots = useMemo<Dot[]>(() => (ex ? [{ t: ex.t, value: ex.value, hot: true, title: `exemplar ${took(ex.value)}: open its trace`, open: () => navigate(withSearch(paths.trace(ex.trace_id), { span: ex.span_id }, window.location.search)) }] : []), [ex, navigate]);
  const markers = useMemo<Marker[]>(() => [{ t: alert.since, text: 'pending', tone: 'warn' }, ...(alert.fired_at ? [{ t: alert.fired_at, text: 'firing', tone: 'bad' } as Marker] : [])], [alert.since, alert.fired_at]);

  if (answer.error) return <div className="evidence"><Problem error={answer.error} title="The evidence could not be gathered" /></div>;
  if (!e || !range) return <div className="evidence"><Waiting rows={6} /></div>;
  return (
    <div className="evidence">
      <div className="evidence-lead">
        {ex ? <>
          <Go className="btn primary" to={paths.trace(ex.trace_id)} with={{ span: ex.span_id }}>Open the trace behind it: {unit === 'seconds' ? took(ex.value) : ex.value}</Go>
          <span>at {time.instant(ex.t)} {time.zoneLabel}: the exemplar highest above the threshold.</span>
        </> : e.traces.length > 0 ? <><Go className="btn primary" to={paths.trace(e.traces[0].trace_id)}>Open a trace of that time: {took(e.traces[0].duration)}</Go><span>No exemplar is stored for this expression; these are the service's traces of the same time.</span></>
          : <span className="muted">Neither exemplar nor trace is stored for this service and time.</span>}
        <span className="grow" />
        {e.service && <Go className="btn" to={paths.service(e.service)} with={span}>Service {e.service} then</Go>}
      </div>
      <ChartCard title={alert.name} sub={drawn} expr={expr} unit={unit} height={180} range={range} threshold={alert.threshold ?? undefined} dots={dots} markers={markers} waiting={graph.isPending} error={graph.error}
        series={ownFirst(graph.data?.series ?? [], alert.labels).slice(0, 20)} />
      <div className="grid two">
        <section className="card"><header><h2>Slowest traces then</h2><span className="end"><Go className="small" to="/traces" with={{ service: e.service, ...span }}>Search</Go></span></header>{e.traces.length ? <div className="scroll-x"><TraceTable traces={e.traces.slice(0, 5)} compact /></div> : <p className="body muted">None.</p>}</section>
        <section className="card"><header><h2>Statements then</h2></header>{e.statements.length ? <StatementTable statements={e.statements.slice(0, 5)} compact /> : <p className="body muted">None.</p>}</section>
      </div>
      <section className="card">
        <header><h2>Log lines then</h2><span className="sub mono">{e.logs_query}</span><span className="end"><Go className="small" to="/logs" with={{ q: e.logs_query, ...span }}>Logs</Go></span></header>
        {logs.error ? <div className="body"><Problem error={logs.error} title="The lines could not be read" /></div> : !e.logs_query || logs.data?.length === 0 ? <p className="body"><Mark tone="off">No line fits.</Mark></p> : !logs.data ? <Waiting rows={3} /> : (
          <div>{logs.data.map(l => <div key={l.key} className={`log-line level-${l.level}`}><span className="log-time" style={{ paddingLeft: 8 }}>{time.clock(l.t, 'ms')}</span><span className="log-level">{l.level}</span><span className="log-service ellipsis">{l.service}</span><span className="log-text">{messageOf(l.text)}</span>{l.traceId && <Go className="log-trace" to={paths.trace(l.traceId)} with={{ span: l.spanId }}>trace</Go>}</div>)}</div>
        )}
      </section>
    </div>
  );
}

// The alert's own series stand first and full; what else the expression yields is thin and dashed beside them.
export function ownFirst(series: Series[], labels: Labels): ChartSeries[] {
  const own = (s: Series) => Object.entries(s.metric).every(([k, v]) => k === '__name__' || labels[k] === v);
  const line = (s: Series) => ({ name: seriesName(s.metric), points: s.values });
  return [...series.filter(own).map(line), ...series.filter(s => !own(s)).map(s => ({ ...line(s), dash: true, width: 1 }))];
}

// `expr > 0.5` without its comparison at the end. Brackets and strings are not looked into: only a number may follow.
export function withoutComparison(expr: string): string {
  return expr.replace(/\s*(>=|<=|>|<|==|!=)\s*(bool\s+)?[-+]?[\d.]+([eE][-+]?\d+)?\s*$/, '').trim() || expr;
}
