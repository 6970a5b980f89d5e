import { useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { statusPart, type TsdbStatus } from '../api/prometheus';
import { bytes, count, figure } from '../app/figures';
import { Mark } from '../app/Mark';
import { Copy, Problem, Waiting } from '../app/messages';
import { Card, Page } from '../app/Page';
import { useStatus } from '../app/useStatus';
import { roughly } from '../time/duration';
import { useTime } from '../time/TimeContext';

export default function StatusPage() {
  const time = useTime();
  const status = useStatus();
  const tsdb = useQuery({ queryKey: ['status-tsdb'], queryFn: ({ signal }) => statusPart<TsdbStatus>('tsdb', signal) });
  const flags = useQuery({ queryKey: ['status-flags'], queryFn: ({ signal }) => statusPart<Record<string, string>>('flags', signal) });
  const config = useQuery({ queryKey: ['status-config'], queryFn: ({ signal }) => statusPart<{ yaml: string }>('config', signal) });
  const runtime = useQuery({ queryKey: ['status-runtime'], queryFn: ({ signal }) => statusPart<Record<string, unknown>>('runtimeinfo', signal) });
  const [words, setWords] = useState('');
  const s = status.data;
  const facts: [string, ReactNode][] = s ? [
    ['Version', [s.version, s.revision && `revision ${s.revision.slice(0, 12)}`, s.build_date && `built ${s.build_date}`].filter(Boolean).join(', ')],
    ['Running', `${roughly(s.now - s.started)}, since ${time.instant(s.started)} ${time.zoneLabel}`],
    ['Listening', <span key="l">{s.listen.map(l => <span key={l.address + l.kind} className="nowrap"><code>{l.address}</code> <span className="muted">{l.kind}</span>{'  '}</span>)}</span>],
    ['Data', <code key="d">{s.data_dir}</code>],
    ['Kept for', roughly(s.retention_seconds)],
    ['Memory', bytes(s.memory_bytes)],
    ['Access', s.auth.enabled ? `signed in as ${s.auth.user}` : 'no authentication'],
    ...(s.synthetic_until ? [['Synthetic', `everything before ${time.instant(s.synthetic_until)} ${time.zoneLabel} was back-filled`] as [string, ReactNode]] : []),
  ] : [];
  const found = Object.entries(flags.data ?? {}).filter(([k, v]) => `${k}=${v}`.toLowerCase().includes(words.toLowerCase())).sort(([a], [b]) => a.localeCompare(b));
  const ready = ![status, tsdb, flags, config, runtime].some(q => q.isPending);
  return (
    <Page title="Status" ready={ready} sub={s && (s.warnings.length ? <Mark tone="warn">{s.warnings.length} {s.warnings.length === 1 ? 'warning' : 'warnings'}</Mark> : <Mark tone="ok">running well</Mark>)}
      actions={<a className="btn" href="./licenses.md" target="_blank" rel="noreferrer">Licences</a>}>
      <div className="stack">
        {s?.warnings.map(w => <div key={w} className="banner warn" style={{ margin: 0 }}><Mark tone="warn">{w}</Mark></div>)}
        <div className="grid two">
          <Card title="Server" flush>{status.error ? <div className="body"><Problem error={status.error} title="The status could not be read" /></div> : !s ? <Waiting rows={6} /> : <Facts rows={facts} />}</Card>
          <Card title="Stores" flush>{!s ? <Waiting rows={6} /> : <Facts rows={[
            ['Series in the head', count(s.head.series)], ['Samples in the head', figure(s.head.samples)],
            ['Head covers', s.head.max_time > 0 ? `${time.short(s.head.min_time)} – ${time.short(s.head.max_time)}` : 'nothing yet'], ['Write-ahead log', bytes(s.wal_bytes)],
            ['Logs', `${count(s.logs.records)} lines, ${bytes(s.logs.bytes)}`], ['Traces', `${count(s.spans.records)} spans, ${bytes(s.spans.bytes)}`],
          ]} />}</Card>
        </div>
        <div className="grid three">
          <Top title="Most series by metric" rows={tsdb.data?.seriesCountByMetricName} error={tsdb.error} />
          <Top title="Most values by label" rows={tsdb.data?.labelValueCountByLabelName} error={tsdb.error} />
          <Top title="Most series by label pair" rows={tsdb.data?.seriesCountByLabelValuePair} error={tsdb.error} />
        </div>
        <div className="grid two">
          <Card title="Flags" flush end={<input className="field" data-search style={{ height: 26 }} aria-label="Filter flags" placeholder="Filter" value={words} onChange={e => setWords(e.target.value)} />}>
            {flags.error ? <div className="body"><Problem error={flags.error} title="The flags could not be read" /></div> : !flags.data ? <Waiting rows={8} /> : <div className="tall" tabIndex={0} role="region" aria-label="Flags"><table className="data"><tbody>{found.map(([k, v]) => <tr key={k}><td className="mono">{k}</td><td className="mono" style={{ overflowWrap: 'anywhere' }}>{v || <span className="muted">empty</span>}</td></tr>)}</tbody></table></div>}
          </Card>
          <Card title="Configuration" sub="as loaded" flush end={config.data && <Copy text={config.data.yaml} />}>
            {config.error ? <div className="body"><Problem error={config.error} title="The configuration could not be read" /></div> : !config.data ? <Waiting rows={8} /> : <pre className="tall code" tabIndex={0} aria-label="Configuration">{config.data.yaml || '# no configuration file'}</pre>}
          </Card>
        </div>
        {runtime.data && <Card title="Run time" flush><Facts rows={Object.entries(runtime.data).map(([k, v]) => [k, typeof v === 'object' ? JSON.stringify(v) : String(v)])} /></Card>}
      </div>
    </Page>
  );
}

const Facts = ({ rows }: { rows: [string, ReactNode][] }) => <table className="data"><tbody>{rows.map(([k, v]) => <tr key={k}><td className="muted nowrap" style={{ width: '32%' }}>{k}</td><td style={{ overflowWrap: 'anywhere' }}>{v}</td></tr>)}</tbody></table>;

function Top({ title, rows, error }: { title: string; rows?: { name: string; value: number }[]; error: unknown }) {
  const most = Math.max(1, ...(rows ?? []).map(r => r.value));
  return (
    <Card title={title} flush>
      {error ? <div className="body"><Problem error={error} title="It could not be read" /></div> : !rows ? <Waiting rows={5} /> : rows.length === 0 ? <p className="body muted">Nothing in the head.</p> : (
        <table className="data"><tbody>{rows.slice(0, 10).map(r => <tr key={r.name}><td className="mono" style={{ overflowWrap: 'anywhere' }}>{r.name}</td><td className="num">{count(r.value)}</td><td className="bar-cell"><i className="bar" style={{ width: `${(r.value / most) * 100}%` }} /></td></tr>)}</tbody></table>
      )}
    </Card>
  );
}
