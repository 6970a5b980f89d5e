import { useQuery } from '@tanstack/react-query';
import { useEffect, useState, type FormEvent } from 'react';
import { sonde } from '../api/sonde';
import { useAddresses } from '../app/addresses';
import { count } from '../app/figures';
import { Empty, Problem, Waiting } from '../app/messages';
import { Card, Page } from '../app/Page';
import { snippets } from '../app/snippets';
import { useUrl } from '../app/urlState';
import { TraceTable } from '../tables/TraceTable';
import { parseDuration } from '../time/duration';
import { useTime } from '../time/TimeContext';
import { Scatter } from '../trace/Scatter';
import { readTags } from '../trace/tags';

const fields = ['service', 'operation', 'tags', 'min', 'max'] as const;

export default function TracesPage() {
  const addresses = useAddresses();
  const url = useUrl();
  const time = useTime();
  const { start, end } = time.range;
  const wanted = Object.fromEntries(fields.map(f => [f, url.get(f)])) as Record<(typeof fields)[number], string>;
  const errors = url.get('errors') === '1';
  const order = url.get('order') === 'duration' ? 'duration' : 'time';
  const limit = Number(url.get('limit')) || 50;
  const [draft, setDraft] = useState(wanted);
  const inUrl = fields.map(f => wanted[f]).join('\u0000');
  // eslint-disable-next-line react-hooks/exhaustive-deps
  useEffect(() => setDraft(wanted), [inUrl]);

  const services = useQuery({ queryKey: ['services'], queryFn: ({ signal }) => sonde.services(signal), staleTime: 10_000 });
  const answer = useQuery({
    queryKey: ['traces', inUrl, errors, order, limit, start, end],
    queryFn: ({ signal }) => sonde.traces({
      service: wanted.service, operation: wanted.operation, tags: readTags(wanted.tags), min_duration: parseDuration(wanted.min), max_duration: parseDuration(wanted.max),
      errors: errors || undefined, order, start, end, limit,
    }, signal),
  });
  const bad = (['min', 'max'] as const).find(f => draft[f] && parseDuration(draft[f]) === undefined);
  const submit = (e: FormEvent) => { e.preventDefault(); if (!bad) url.set(draft, 'push'); };
  const edit = (f: (typeof fields)[number]) => (e: { target: { value: string } }) => setDraft({ ...draft, [f]: e.target.value });
  const traces = answer.data?.traces ?? [];
  const filtered = errors || fields.some(f => wanted[f]);
  const empty = !!answer.data && traces.length === 0;

  return (
    <Page title="Traces" ready={!answer.isPending && !services.isPending} empty={empty && !filtered} sub={<>{answer.data && <span>{answer.data.truncated ? `the ${order === 'duration' ? 'slowest' : 'newest'} ${count(traces.length)}` : `${count(traces.length)} found`}</span>}</>}>
      <form className="row wrap search-form" onSubmit={submit}>
        <label className="labelled">Service
          <select className="field" value={draft.service} onChange={e => { setDraft({ ...draft, service: e.target.value }); url.set({ service: e.target.value }, 'push'); }}>
            <option value="">every service</option>{[...new Set([...(services.data?.services ?? []), ...(draft.service ? [draft.service] : [])])].map(s => <option key={s}>{s}</option>)}
          </select>
        </label>
        <label className="labelled grow">Operation<input className="field" data-search value={draft.operation} onChange={edit('operation')} placeholder="POST /orders" /></label>
        <label className="labelled grow">Attributes<input className="field mono" value={draft.tags} onChange={edit('tags')} placeholder='http.route=/orders user="a b"' spellCheck={false} /></label>
        <label className="labelled">At least<input className="field mono" style={{ width: 84 }} value={draft.min} onChange={edit('min')} placeholder="100ms" aria-invalid={bad === 'min'} /></label>
        <label className="labelled">At most<input className="field mono" style={{ width: 84 }} value={draft.max} onChange={edit('max')} placeholder="2s" aria-invalid={bad === 'max'} /></label>
        <label className="check"><input type="checkbox" checked={errors} onChange={e => url.set({ errors: e.target.checked }, 'push')} />Errors only</label>
        <select className="field" aria-label="Order" value={order} onChange={e => url.set({ order: e.target.value === 'time' ? null : e.target.value })}><option value="time">newest</option><option value="duration">slowest</option></select>
        <select className="field" aria-label="Most traces to show" value={limit} onChange={e => url.set({ limit: e.target.value === '50' ? null : e.target.value })}>{[20, 50, 200, 1000].map(l => <option key={l} value={l}>{l} traces</option>)}</select>
        <button type="submit" className="btn primary" style={{ height: 30 }} disabled={!!bad}>Search</button>
        {bad && <span className="small" role="alert" style={{ color: 'var(--bad)' }}>Write a duration such as 250ms or 1.5s.</span>}
      </form>
      {answer.error && <Problem error={answer.error} title="The search failed" />}
      {answer.isPending ? <Waiting rows={10} /> : empty
        ? filtered ? <Empty title="No trace matches" action={<button type="button" className="btn primary" onClick={() => url.set({ service: null, operation: null, tags: null, min: null, max: null, errors: null }, 'push')}>Clear the search</button>}>Widen the range, or drop a condition.</Empty>
          : <Empty title="No traces yet" snippets={[snippets.otlp(addresses), snippets.span(addresses), snippets.cpp(addresses)]}>Nothing was received in this range.</Empty>
        : traces.length > 0 && (
          <div className="stack">
            <Card title="Duration over time" sub="a dot per trace, larger with more spans; a ring has errors" flush><Scatter traces={traces} range={time.range} /></Card>
            <Card title="Traces" sub={order === 'duration' ? 'slowest first' : 'newest first'} flush><div className="scroll-x"><TraceTable traces={traces} /></div></Card>
          </div>
        )}
    </Page>
  );
}
