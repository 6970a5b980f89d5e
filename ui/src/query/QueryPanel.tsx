import { useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { useLocation } from 'wouter';
import { queryExemplars, queryInstant, queryRange, spanIdOf, traceIdOf } from '../api/prometheus';
import { count, plural } from '../app/figures';
import { Icon } from '../app/icons';
import { paths, withSearch } from '../app/links';
import { Chip } from '../app/Mark';
import { Waiting } from '../app/messages';
import { Chart, type Dot } from '../charts/Chart';
import { unitOf, writeIn } from '../charts/unit';
import { durationText, parseDuration } from '../time/duration';
import { stepFor } from '../time/range';
import { useTime } from '../time/TimeContext';
import type { Panel } from './graphLink';
import { PromqlEditor } from './PromqlEditor';
import { QueryError } from './QueryError';
import { QueryTable } from './QueryTable';
import { seriesName } from './seriesName';

interface Props { panel: Panel; index: number; only: boolean; history: string[]; onChange: (patch: Partial<Panel>) => void; onRun: (expr: string) => void; onRemove: () => void; onSettled: (settled: boolean) => void }

const drawnAtMost = 100;

export function QueryPanel({ panel, index, only, history, onChange, onRun, onRemove, onSettled }: Props) {
  const time = useTime();
  const [, navigate] = useLocation();
  const { start, end } = time.range;
  const [draft, setDraft] = useState(panel.expr);
  const [stepText, setStepText] = useState(panel.step ? durationText(panel.step) : '');
  useEffect(() => setDraft(panel.expr), [panel.expr]);
  const step = panel.step ?? stepFor(time.range);
  const graphing = panel.tab === 'graph';
  const run = () => { onRun(draft.trim()); if (draft.trim() === panel.expr) time.tick(); };

  const graph = useQuery({ queryKey: ['range', panel.expr, start, end, step], enabled: !!panel.expr && graphing, retry: false, queryFn: ({ signal }) => queryRange(panel.expr, start, end, step, signal) });
  const table = useQuery({ queryKey: ['instant', panel.expr, end], enabled: !!panel.expr && !graphing, retry: false, queryFn: ({ signal }) => queryInstant(panel.expr, end, signal) });
  const exemplars = useQuery({ queryKey: ['exemplars', panel.expr, start, end], enabled: !!panel.expr && graphing && panel.exemplars, queryFn: ({ signal }) => queryExemplars(panel.expr, start, end, signal) });
  const asked = graphing ? graph : table;
  const settled = !panel.expr || !asked.isPending;
  useEffect(() => onSettled(settled), [settled, onSettled]);

  const unit = unitOf(panel.expr);
  const write = writeIn(unit);
  const all = graph.data?.series ?? [];
  const series = useMemo(() => all.slice(0, drawnAtMost).map(s => ({ name: seriesName(s.metric), points: s.values })), [all]);
  const dots = useMemo<Dot[]>(() => (exemplars.data ?? []).filter(traceIdOf).map(e => ({ t: e.t, value: e.value, title: `exemplar ${write(e.value)}: open its trace`, open: () => navigate(withSearch(paths.trace(traceIdOf(e)!), { span: spanIdOf(e) }, window.location.search)) })), [exemplars.data, write, navigate]);
  const warnings = (graphing ? graph.data?.warnings : table.data?.warnings) ?? [];
  const fault = parseDuration(stepText) === undefined && stepText !== '';

  return (
    <section className="card" aria-label={`Query ${index + 1}`}>
      <div className="query-head">
        <PromqlEditor value={draft} label={`PromQL expression ${index + 1}`} history={history} onChange={setDraft} onRun={run} />
        <button type="button" className="btn primary" style={{ height: 32 }} onClick={run}>Run</button>
        {!only && <button type="button" className="btn quiet square" aria-label={`Remove query ${index + 1}`} onClick={onRemove}><Icon name="cross" /></button>}
      </div>
      <div className="query-tools">
        <span className="row" role="group" aria-label="View" style={{ gap: 4 }}>
          <button type="button" className="btn" aria-pressed={graphing} onClick={() => onChange({ tab: 'graph' })}><Icon name="chart" />Graph</button>
          <button type="button" className="btn" aria-pressed={!graphing} onClick={() => onChange({ tab: 'table' })}><Icon name="table" />Table</button>
        </span>
        {graphing && <>
          <label className="check">Step<input className="field mono" style={{ width: 74, height: 26 }} aria-invalid={fault} value={stepText} placeholder={durationText(step)} onChange={e => { setStepText(e.target.value); const s = parseDuration(e.target.value); if (s || e.target.value === '') onChange({ step: s || undefined }); }} /></label>
          <label className="check"><input type="checkbox" checked={panel.stacked} onChange={e => onChange({ stacked: e.target.checked })} />Stacked</label>
          <label className="check"><input type="checkbox" checked={panel.exemplars} onChange={e => onChange({ exemplars: e.target.checked })} />Exemplars{panel.exemplars && exemplars.data && ` (${dots.length})`}</label>
        </>}
        <span className="grow" />
        {graphing && graph.data && <span className="small muted">{all.length > drawnAtMost ? `${drawnAtMost} of ${count(all.length)} series shown` : plural(all.length, 'series', 'series')}</span>}
        {asked.isFetching && <span className="small muted" role="status">asking…</span>}
      </div>
      {warnings.map(w => <div key={w} className="body" style={{ paddingBottom: 0 }}><Chip tone="warn">{w}</Chip></div>)}
      {exemplars.error && <div className="body"><QueryError error={exemplars.error} expr={panel.expr} /></div>}
      {asked.error ? <div className="body"><QueryError error={asked.error} expr={panel.expr} /></div>
        : !panel.expr ? <p className="body muted">Write an expression and press Enter. Names, labels and functions complete as you type; Shift+Enter breaks the line.</p>
          : asked.isPending ? <Waiting rows={5} />
            : graphing ? <Chart title={panel.expr} unit={unit} series={series} height={300} zero={panel.stacked} stacked={panel.stacked} dots={panel.exemplars ? dots : []} />
              : table.data && <QueryTable result={table.data.result} />}
    </section>
  );
}
