import { useQuery } from '@tanstack/react-query';
import { sonde, type ServiceRow } from '../api/sonde';
import { useAddresses } from '../app/addresses';
import { useBounded } from '../app/Bounded';
import { bytes, count, figure, percent, plural } from '../app/figures';
import { Go } from '../app/Go';
import { paths } from '../app/links';
import { Chip, Mark, State, toneOf } from '../app/Mark';
import { Empty, LabelSet, Problem, Snippet, Waiting } from '../app/messages';
import { Card, Page, Tile } from '../app/Page';
import { SyntheticNote } from '../app/SyntheticNote';
import { snippets } from '../app/snippets';
import { useStatus } from '../app/useStatus';
import { Sparkline } from '../charts/Sparkline';
import { roughly, took } from '../time/duration';
import { useTime } from '../time/TimeContext';

export function OverviewPage() {
  const addresses = useAddresses();
  const time = useTime();
  const { start, end } = time.range;
  const overview = useQuery({ queryKey: ['overview', start, end], queryFn: ({ signal }) => sonde.overview(start, end, signal) });
  const history = useQuery({ queryKey: ['history', start, end], queryFn: ({ signal }) => sonde.history(start, end, 8, signal) });
  const status = useStatus();
  const data = overview.data;
  const ready = !overview.isPending && !status.isPending && !history.isPending;

  if (data && data.services.length === 0) {
    return (
      <Page title="Overview" ready={ready} empty>
        <Empty title="No service has reported yet" snippets={[snippets.cpp(addresses), snippets.otlp(addresses), snippets.scrape(addresses)]}>
          sonde is running and listening{status.data ? ` on ${status.data.listen.map(l => `${l.address} (${l.kind})`).join(', ')}` : ''}. Paste one of these; this page fills by itself within seconds. To see it full at once, run “sonde demo”.
        </Empty>
      </Page>
    );
  }

  const total = (data?.services ?? []).reduce((sum, s) => ({ rate: sum.rate + (s.rate ?? 0), errors: sum.errors + (s.rate ?? 0) * (s.error_ratio ?? 0) }), { rate: 0, errors: 0 });
  const unhealthy = (data?.services ?? []).filter(s => s.health === 'degraded' || s.health === 'down').length;

  return (
    <Page title="Overview" ready={ready} sub={<SyntheticNote />}>
      <div className="stack">
        {overview.error && <Problem error={overview.error} title="The overview could not be read" />}
        {status.data?.warnings.map(w => <div key={w} className="banner warn" style={{ margin: 0 }}><Mark tone="warn">{w}</Mark></div>)}
        <div className="tiles">
          {!data && !overview.error && Array.from({ length: 5 }, (_, i) => <div key={i} className="tile"><div className="skeleton" style={{ height: 56 }} /></div>)}
          {data && <>
            <Go to="/alerts" className="tile">
              <Tile label="Alerts" figure={data.alerts.firing} unit="firing" note={data.alerts.firing ? <Mark tone="bad">{data.alerts.pending ? `${data.alerts.pending} more pending` : 'see the evidence'}</Mark> : data.alerts.pending ? <Mark tone="warn">{data.alerts.pending} pending</Mark> : <Mark tone="ok">all quiet</Mark>} />
            </Go>
            <div className="tile">
              <Tile label="Services" figure={`${data.services.length - unhealthy}/${data.services.length}`} unit="healthy" note={unhealthy ? <Mark tone="warn">{plural(unhealthy, 'needs', 'need')} a look</Mark> : <Mark tone="ok">all well</Mark>} />
            </div>
            <div className="tile"><Tile label="Requests" figure={figure(total.rate)} unit="/s" note="over all services, now" /></div>
            <div className="tile"><Tile label="Errors" figure={percent(total.rate ? total.errors / total.rate : 0)} note={`${figure(total.errors)} failing requests/s`} /></div>
            <Go to="/targets" className="tile">
              <Tile label="Targets" figure={`${data.targets.up}/${data.targets.up + data.targets.down}`} unit="up" note={data.targets.down ? <Mark tone="bad">{data.targets.down} down</Mark> : <Mark tone="ok">all scraped</Mark>} />
            </Go>
            <Go to="/status" className="tile">
              <Tile label="Ingest" figure={figure(data.ingest.samples_per_second)} unit="samples/s" note={`${figure(data.ingest.logs_per_second)} lines/s · ${figure(data.ingest.spans_per_second)} spans/s`} />
            </Go>
          </>}
        </div>

        <Card title="Services" sub="sorted by trouble, then by traffic" flush>
          {data ? <ServiceTable services={data.services} /> : <Waiting rows={5} height={26} />}
        </Card>

        <div className="grid two">
          <Card title="Timeline" sub="latest changes of alerts" flush end={<Go to="/alerts" with={{ tab: 'history' }} className="small">History</Go>}>
            {history.error ? <div className="body"><Problem error={history.error} title="The history could not be read" /></div>
              : !history.data ? <Waiting rows={4} />
                : history.data.transitions.length === 0 ? <p className="body muted">No alert changed its state in this range.</p>
                  : (
                    <table className="data">
                      <tbody>
                        {history.data.transitions.slice(0, 8).map((x, i) => (
                          <tr key={i}>
                            <td className="nowrap muted">{time.short(x.t)}</td>
                            <td><State word={x.to === 'inactive' ? 'resolved' : x.to} /></td>
                            <td><b>{x.rule}</b> <LabelSet labels={x.labels} hide={['alertname', 'severity']} /></td>
                          </tr>
                        ))}
                      </tbody>
                    </table>
                  )}
          </Card>
          <Card title="Store" end={<Go to="/status" className="small">Status</Go>} flush>
            {status.error ? <div className="body"><Problem error={status.error} title="The status could not be read" /></div> : !status.data ? <Waiting rows={4} /> : (
              <table className="data">
                <tbody>
                  <tr><td className="muted">Metrics</td><td>{count(status.data.head.series)} series in the head, {bytes(status.data.wal_bytes)} of write-ahead log</td></tr>
                  <tr><td className="muted">Logs</td><td>{count(status.data.logs.records)} lines, {bytes(status.data.logs.bytes)}</td></tr>
                  <tr><td className="muted">Traces</td><td>{count(status.data.spans.records)} spans, {bytes(status.data.spans.bytes)}</td></tr>
                  <tr><td className="muted">Kept for</td><td>{roughly(status.data.retention_seconds)} · running for {roughly(status.data.now - status.data.started)}</td></tr>
                  {data && <tr><td className="muted">Rules</td><td>{data.findings ? <Go to="/alerts" with={{ tab: 'findings' }}><Mark tone="warn">{plural(data.findings, 'finding')} about your rules</Mark></Go> : <Mark tone="ok">no findings</Mark>}</td></tr>}
                </tbody>
              </table>
            )}
          </Card>
        </div>
        <details className="card connect">
          <summary>Connect another service: one thing to paste</summary>
          <div className="diff">{[snippets.cpp(addresses), snippets.otlp(addresses), snippets.scrape(addresses), snippets.logPush(addresses)].map(x => <Snippet key={x.title} {...x} />)}</div>
        </details>
      </div>
    </Page>
  );
}

const severity = (s: ServiceRow) => ({ down: 3, degraded: 2, unknown: 0.5, ok: 0 })[s.health] * 10 + s.alerts.firing * 3 + s.alerts.pending;
function ServiceTable({ services }: { services: ServiceRow[] }) {
  const sorted = [...services].sort((a, b) => severity(b) - severity(a) || (b.rate ?? 0) - (a.rate ?? 0) || a.service.localeCompare(b.service));
  const { shown, more } = useBounded(sorted);
  return (
    <div className="scroll-x">
      <table className="data">
        <thead>
          <tr>
            <th scope="col">Service</th><th scope="col">Health</th><th scope="col">Alerts</th><th scope="col" className="num">Requests</th><th scope="col"><span className="only-readers">Requests over time</span></th>
            <th scope="col" className="num">Errors</th><th scope="col"><span className="only-readers">Errors over time</span></th><th scope="col" className="num">p50</th><th scope="col" className="num">p95</th><th scope="col"><span className="only-readers">p95 over time</span></th>
            <th scope="col">Instances</th><th scope="col">Checks</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(s => (
            <tr key={s.service}>
              <td><Go to={paths.service(s.service)}><b>{s.service}</b></Go>{s.version && <span className="muted small"> {s.version}</span>}</td>
              <td><State word={s.health} /></td>
              <td>{s.alerts.firing > 0 && <Chip tone="bad">{s.alerts.firing} firing</Chip>} {s.alerts.pending > 0 && <Chip tone="warn">{s.alerts.pending} pending</Chip>}{!s.alerts.firing && !s.alerts.pending && <span className="muted">–</span>}</td>
              <td className="num">{s.rate === null ? '–' : `${figure(s.rate)}/s`}</td><td><Sparkline points={s.spark.rate} /></td>
              <td className="num">{percent(s.error_ratio)}</td><td><Sparkline points={s.spark.errors} tone={(s.error_ratio ?? 0) > 0.01 ? 'bad' : 'muted'} max={Math.max(0.02, ...s.spark.errors.map(p => p[1]))} /></td>
              <td className="num">{took(s.p50)}</td><td className="num">{took(s.p95)}</td><td><Sparkline points={s.spark.p95} tone="muted" /></td>
              <td>{s.instances.up + s.instances.down === 0 ? <span className="muted">–</span> : s.instances.down ? <Mark tone="bad">{s.instances.up} up, {s.instances.down} down</Mark> : `${s.instances.up} up`}</td>
              <td>{s.checks.failing ? <Mark tone={toneOf('failing')}>{s.checks.failing} failing</Mark> : s.checks.ok ? `${s.checks.ok} ok` : <span className="muted">–</span>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more}
    </div>
  );
}
