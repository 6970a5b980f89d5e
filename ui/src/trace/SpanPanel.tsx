import { useQuery } from '@tanstack/react-query';
import { sonde, type TraceLog } from '../api/sonde';
import { percent } from '../app/figures';
import { Go } from '../app/Go';
import { Icon } from '../app/icons';
import { paths } from '../app/links';
import { Chip, Mark } from '../app/Mark';
import { Copy } from '../app/messages';
import { useScheme } from '../app/theme';
import { Chart } from '../charts/Chart';
import { seriesColor } from '../charts/palette';
import { quoted } from '../service/red';
import { took } from '../time/duration';
import { useTime } from '../time/TimeContext';
import { Glance } from '../logs/Glance';
import { plainFields } from '../logs/lines';
import { isError, statementOf, statementsBelow, type Node } from './tree';

interface Props { node: Node; logs: TraceLog[]; traceStart: number; traceDuration: number; traceId: string; onSelect: (id: string) => void; onClose: () => void }

export function SpanPanel({ node, logs, traceStart, traceDuration, traceId, onSelect, onClose }: Props) {
  const time = useTime();
  const s = node.span;
  const statement = statementOf(s);
  return (
    <aside className="span-panel card" aria-label={`Span ${s.name}`}>
      <header><h2 className="ellipsis" title={s.name}>{s.service} · {s.name}</h2><span className="end"><button type="button" className="btn quiet square" aria-label="Close the span" onClick={onClose}><Icon name="cross" /></button></span></header>
      <div className="span-body">
        <dl className="facts">
          <div><dt>Duration</dt><dd>{took(s.duration)}</dd></div>
          <div><dt>Self</dt><dd>{took(node.self)} <span className="muted">{percent(s.duration ? node.self / s.duration : 0)}</span></dd></div>
          <div><dt>Of trace</dt><dd>{percent(traceDuration ? s.duration / traceDuration : 0)}</dd></div>
          <div><dt>Starts</dt><dd>+{took(s.start)}</dd></div>
          <div><dt>Kind</dt><dd>{s.kind}</dd></div>
          <div><dt>Status</dt><dd>{isError(s) ? <Mark tone="bad">error</Mark> : s.status || 'unset'}</dd></div>
        </dl>
        {s.status_message && <div className="problem"><p>{s.status_message}</p></div>}
        {node.orphan && <p className="small muted">Its parent {s.parent_id} was not received.</p>}
        {statement && <StatementBlock statement={statement} service={s.service} at={traceStart + s.start} duration={s.duration} />}
        {!statement && <Below node={node} traceStart={traceStart} traceDuration={traceDuration} onSelect={onSelect} />}
        {logs.length > 0 && (
          <section>
            <h3>Logs of this span</h3>
            {logs.map((l, i) => <div key={i} className={`log-line level-${l.level}`}><span className="log-time" style={{ paddingLeft: 8 }}>{time.clock(l.t, 'ms')}</span><span className="log-level">{l.level}</span><span className="log-text">{l.message}<Glance fields={plainFields(l.fields)} /></span></div>)}
          </section>
        )}
        <div className="row wrap">
          <Go className="btn" to="/logs" with={{ q: `{service_name=${quoted(s.service)}} | trace_id=${quoted(traceId)}`, from: String(Math.floor(traceStart - 60)), to: String(Math.ceil(traceStart + traceDuration + 60)) }}>Logs of {s.service} in this trace</Go>
          <Go className="btn" to={paths.service(s.service)}>Service {s.service}</Go>
        </div>
        <Attributes title="Attributes" values={s.attributes} />
        {s.events.map((e, i) => <Attributes key={i} title={`Event ${e.name} at +${took(e.t > 1e9 ? e.t - traceStart : e.t)}`} values={e.attributes} />)}
        <Attributes title="Resource" values={s.resource} />
        <p className="small muted">span <code>{s.span_id}</code> <Copy text={s.span_id} label="Copy id" /></p>
      </div>
    </aside>
  );
}

// What the request spent in the database: the slowest statement with its history, the next ones to go to.
function Below({ node, traceStart, traceDuration, onSelect }: { node: Node; traceStart: number; traceDuration: number; onSelect: (id: string) => void }) {
  const found = statementsBelow(node, 3);
  if (found.length === 0) return null;
  const worst = found[0].span;
  return (
    <>
      <section>
        <h3>Statements below</h3>
        <div className="below">
          {found.map(n => <button key={n.span.span_id} type="button" onClick={() => onSelect(n.span.span_id)}><span className="row"><b>{n.span.service}</b><span className="grow" />{took(n.span.duration)} <span className="muted">{percent(traceDuration ? n.span.duration / traceDuration : 0)}</span></span><span className="statement">{statementOf(n.span)!.text}</span></button>)}
        </div>
      </section>
      {worst.duration > traceDuration * 0.2 && <StatementBlock statement={statementOf(worst)!} service={worst.service} at={traceStart + worst.start} duration={worst.duration} />}
    </>
  );
}

function StatementBlock({ statement, service, at, duration }: { statement: { fingerprint?: string; text: string; system: string }; service: string; at: number; duration: number }) {
  const time = useTime();
  const { scheme } = useScheme();
  // The hour around the span, whatever the page's range is: was this statement always so slow?
  const range = { start: Math.floor(at - 1800), end: Math.min(Math.ceil(at + 1800), Math.ceil(Date.now() / 1000)) };
  // Without a fingerprint on the span, the statement is looked for by its text.
  const found = useQuery({
    queryKey: ['find-statement', statement.text, service, range.start], enabled: !statement.fingerprint,
    queryFn: async ({ signal }) => (await sonde.queries({ ...range, service, limit: 200 }, signal)).statements.find(s => s.text === statement.text)?.fingerprint ?? '',
  });
  const fingerprint = statement.fingerprint ?? found.data;
  const history = useQuery({ queryKey: ['statement', fingerprint, range.start, range.end, service], enabled: !!fingerprint, queryFn: ({ signal }) => sonde.query(fingerprint!, { ...range, service }, signal) });
  const p95 = history.data?.series.p95 ?? [];
  return (
    <section className="statement-block">
      <h3>Statement of {service} <Chip>{statement.system}</Chip></h3>
      <pre>{statement.text}</pre>
      {p95.length > 1 && <Chart title="p95 of this statement, the hour around this span" unit="seconds" height={110} range={range} legend={false} series={[{ name: 'p50', points: history.data?.series.p50 ?? [] }, { name: 'p95', points: p95 }]} dots={[{ t: at, value: duration, title: `this span, ${took(duration)}`, hot: true, open: () => {} }]} />}
      {p95.length > 1 && <p className="small muted"><i className="swatch" style={{ background: seriesColor(0, scheme) }} />p50 and <i className="swatch" style={{ background: seriesColor(1, scheme) }} />p95 in the hour around this span, which took {took(duration)} (◆) at {time.clock(at)}.</p>}
      {fingerprint
        ? <Go className="btn primary" to={paths.statement(fingerprint)} with={{ service, from: String(range.start), to: String(range.end) }}>Statement history</Go>
        : <p className="small muted">{found.isFetching ? 'Looking for its history…' : 'No history is kept of this statement.'}</p>}
    </section>
  );
}

function Attributes({ title, values }: { title: string; values: Record<string, unknown> }) {
  const entries = Object.entries(values ?? {}).sort(([a], [b]) => a.localeCompare(b));
  if (entries.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <table className="attributes"><tbody>{entries.map(([name, value]) => <tr key={name}><th scope="row">{name}</th><td>{typeof value === 'object' ? JSON.stringify(value) : String(value)}</td></tr>)}</tbody></table>
    </section>
  );
}
