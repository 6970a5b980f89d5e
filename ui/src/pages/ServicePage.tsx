import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { useLocation } from 'wouter';
import { queryLogs } from '../api/loki';
import { spanIdOf, traceIdOf } from '../api/prometheus';
import { sonde } from '../api/sonde';
import { useAddresses } from '../app/addresses';
import { figure, percent } from '../app/figures';
import { Go } from '../app/Go';
import { paths, withSearch } from '../app/links';
import { Chip, Mark, State } from '../app/Mark';
import { Empty, Problem, Waiting } from '../app/messages';
import { Card, Page } from '../app/Page';
import { snippets } from '../app/snippets';
import { SyntheticNote } from '../app/SyntheticNote';
import { useScheme } from '../app/theme';
import type { Dot, Marker } from '../charts/Chart';
import { ChartCard } from '../charts/ChartCard';
import { seriesColor } from '../charts/palette';
import { grouped } from '../logs/groups';
import { linesOf } from '../logs/lines';
import { StatementTable } from '../tables/StatementTable';
import { TraceTable } from '../tables/TraceTable';
import { quoted } from '../service/red';
import { useRed } from '../service/useRed';
import { roughly, took } from '../time/duration';
import { useTime } from '../time/TimeContext';

export default function ServicePage({ name }: { name: string }) {
  const addresses = useAddresses();
  const time = useTime();
  const { scheme } = useScheme();
  const [, navigate] = useLocation();

  const { start, end } = time.range;
  const detail = useQuery({ queryKey: ['service', name, start, end], queryFn: ({ signal }) => sonde.service(name, start, end, signal) });
  const statements = useQuery({ queryKey: ['queries', name, start, end], queryFn: ({ signal }) => sonde.queries({ start, end, service: name, limit: 8 }, signal) });
  const traces = useQuery({ queryKey: ['traces', name, start, end], queryFn: ({ signal }) => sonde.traces({ service: name, order: 'duration', start, end, limit: 8 }, signal) });
  const errorsQuery = `{service_name=${quoted(name)}} | detected_level=~"error|fatal|critical"`;
  const errorLogs = useQuery({ queryKey: ['error-logs', name, start, end], queryFn: ({ signal }) => queryLogs(errorsQuery, start, end, 200, 'backward', signal) });
  const history = useQuery({ queryKey: ['history', start, end, 200], queryFn: ({ signal }) => sonde.history(start, end, 200, signal) });
  const { metric, red, pending } = useRed(name, time.range);

  const row = detail.data?.service;
  const derived = metric.data === null || metric.isError;
  const waiting = pending || (derived && detail.isPending);
  const rate = derived ? [{ name: 'requests', points: row?.spark.rate ?? [] }] : red.data?.rate ?? [];
  const errors = derived || !red.data?.errors.length ? [{ name: 'error ratio', points: row?.spark.errors ?? [] }] : red.data.errors;
  const duration = derived ? [{ name: 'p95', points: row?.spark.p95 ?? [] }] : red.data?.duration ?? [];

  const exemplars = red.data?.exemplars;
  const dots = useMemo<Dot[]>(() => {
    const p95 = row?.p95 ?? Infinity;
    return (exemplars ?? []).map(e => ({
      t: e.t, value: e.value, hot: e.value > p95, title: `exemplar ${took(e.value)}: open its trace`,
      open: () => navigate(withSearch(paths.trace(traceIdOf(e)!), { span: spanIdOf(e) }, window.location.search)),
    }));
  }, [exemplars, row?.p95, navigate]);
  const markers = useMemo<Marker[]>(() => (history.data?.transitions ?? [])
    .filter(x => x.to === 'firing' && (x.labels.service ?? x.labels.service_name ?? x.labels.job) === name)
    .map(x => ({ t: x.t, text: x.rule, tone: 'bad' })), [history.data, name]);

  const groups = useMemo(() => grouped(linesOf(errorLogs.data?.streams ?? [])).slice(0, 6), [errorLogs.data]);
  const slowest = traces.data?.traces ?? [];
  const ready = !detail.isPending && !waiting && !statements.isPending && !traces.isPending && !errorLogs.isPending;
  const nothing = !!row && row.sources.length === 0;

  return (
    <Page title={name} ready={ready} empty={nothing}
      sub={row && <><State word={row.health} />{row.version && <span>{row.version}</span>}<span>{row.instances.up} of {row.instances.up + row.instances.down} instances up</span>{row.sources.map(s => <Chip key={s}>{s}</Chip>)}<SyntheticNote /></>}
      actions={<>
        <Go className="btn" to="/logs" with={{ q: `{service_name=${quoted(name)}}` }}>Logs</Go>
        <Go className="btn" to="/traces" with={{ service: name }}>Traces</Go>
        <Go className="btn" to="/queries" with={{ service: name }}>Queries</Go>
      </>}>
      {nothing ? <Empty title={`Nothing is known of “${name}” in this range`} snippets={[snippets.otlp(addresses), snippets.scrape(addresses)]}>Widen the time range, or check that the service sends under this name.</Empty> : (
        <div className="stack">
          {detail.error && <Problem error={detail.error} title={`${name} could not be read`} />}
          {row && (row.alerts.firing > 0 || row.alerts.pending > 0) && (
            <div className="banner warn" style={{ margin: 0 }}><Mark tone={row.alerts.firing ? 'bad' : 'warn'}>{row.alerts.firing ? `${row.alerts.firing} firing` : `${row.alerts.pending} pending`}</Mark><span className="grow">{(row.alerts.firing || row.alerts.pending) === 1 ? 'alert concerns' : 'alerts concern'} this service.</span><Go className="btn" to="/alerts" with={{ service: name }}>Show them</Go></div>
          )}
          <div className="grid three">
            <ChartCard title="Rate" sub="requests per second" unit="number" series={rate} waiting={waiting} error={red.error} expr={red.data?.expressions.rate} area markers={markers} />
            <ChartCard title="Errors" sub="share of requests" unit="ratio" series={errors.map(s => ({ ...s, color: seriesColor(1, scheme) }))} waiting={waiting} error={red.error} expr={red.data?.expressions.errors} area markers={markers} />
            <ChartCard title="Duration" sub={dots.length ? '◆ exemplars open their trace' : 'quantiles'} unit="seconds" series={duration} waiting={waiting} error={red.error} expr={red.data?.expressions.duration} dots={dots} markers={markers} />
          </div>
          <div className="grid two">
            <Card title="Slow statements" flush end={<Go className="small" to="/queries" with={{ service: name }}>All</Go>}>
              {statements.error ? <div className="body"><Problem error={statements.error} title="The statements could not be read" /></div> : !statements.data ? <Waiting /> : statements.data.statements.length ? <StatementTable statements={statements.data.statements} compact /> : <p className="body muted">This service runs no statement itself.{detail.data && detail.data.callees.length > 0 && <> It calls{detail.data.callees.map((c, i) => <span key={c}>{i ? ', ' : ' '}<Go to="/queries" with={{ service: c }}>{c}</Go></span>)}: what it waits for may be a statement there.</>}</p>}
            </Card>
            <Card title="Slowest traces" sub="in this range" flush end={<Go className="small" to="/traces" with={{ service: name, order: 'duration' }}>All</Go>}>
              {traces.error ? <div className="body"><Problem error={traces.error} title="The traces could not be read" /></div> : !traces.data ? <Waiting /> : slowest.length ? <div className="scroll-x"><TraceTable traces={slowest} compact /></div> : <p className="body muted">No trace of this service in this range.</p>}
            </Card>
            <Card title="Recent errors" sub="grouped by message" flush end={<Go className="small" to="/logs" with={{ q: errorsQuery }}>Logs</Go>}>
              {errorLogs.error ? <div className="body"><Problem error={errorLogs.error} title="The logs could not be read" /></div> : !errorLogs.data ? <Waiting /> : groups.length === 0 ? <p className="body"><Mark tone="ok">No error was logged in this range.</Mark></p> : (
                <table className="data"><tbody>
                  {groups.map(g => <tr key={g.pattern}><td className="num" style={{ width: 1 }}><Chip tone="bad">{g.count}×</Chip></td><td className="mono" style={{ overflowWrap: 'anywhere' }}>{g.pattern}</td><td className="nowrap muted small">last {time.short(g.last)}</td><td>{g.traceId && <Go to={paths.trace(g.traceId)}>trace</Go>}</td></tr>)}
                </tbody></table>
              )}
            </Card>
            <Card title="Health" sub="checks and instances" flush>
              {!detail.data ? <Waiting /> : (
                <table className="data"><tbody>
                  {detail.data.checks.map(c => <tr key={c.group + c.check + c.instance}><td><State word={c.status} /></td><td><b>{c.check}</b> <span className="muted">{c.group}</span></td><td className="muted">{c.instance}</td><td className="nowrap muted">{c.since ? `for ${roughly(time.now - c.since)}` : ''}</td></tr>)}
                  {detail.data.instances.map(i => <tr key={i.instance}><td><State word={i.up ? 'up' : 'down'} /></td><td className="mono">{i.instance}</td><td className="muted">{i.job}{i.version && ` · ${i.version}`}</td><td className="nowrap muted">{i.start_time ? `up ${roughly(time.now - i.start_time)}` : ''}</td></tr>)}
                  {detail.data.checks.length + detail.data.instances.length === 0 && <tr><td className="muted">Neither checks nor scraped instances: this service only pushes.</td></tr>}
                </tbody></table>
              )}
            </Card>
          </div>
          {detail.data && (
            <Card title="Endpoints" sub={<>{detail.data.callers.length > 0 && <>called by {detail.data.callers.map(c => <Go key={c} to={paths.service(c)}> {c}</Go>)}</>}{detail.data.callees.length > 0 && <> · calls {detail.data.callees.map(c => <Go key={c} to={paths.service(c)}> {c}</Go>)}</>}</>} flush>
              {detail.data.endpoints.length === 0 ? <p className="body muted">No endpoint is told apart by the data.</p> : (
                <div className="scroll-x"><table className="data">
                  <thead><tr><th scope="col">Endpoint</th><th scope="col" className="num">Rate</th><th scope="col" className="num">Errors</th><th scope="col" className="num">p50</th><th scope="col" className="num">p95</th><th scope="col" className="num">p99</th></tr></thead>
                  <tbody>{detail.data.endpoints.map(e => <tr key={e.method + e.route}><td className="mono"><b>{e.method}</b> {e.route}</td><td className="num">{figure(e.rate)}/s</td><td className="num">{e.error_ratio > 0.01 ? <Mark tone="bad">{percent(e.error_ratio)}</Mark> : percent(e.error_ratio)}</td><td className="num">{took(e.p50)}</td><td className="num">{took(e.p95)}</td><td className="num">{took(e.p99)}</td></tr>)}</tbody>
                </table></div>
              )}
            </Card>
          )}
        </div>
      )}
    </Page>
  );
}
