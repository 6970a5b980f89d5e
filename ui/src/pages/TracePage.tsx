import { useQuery } from '@tanstack/react-query';
import { useCallback, useMemo, useState } from 'react';
import { sonde, type TraceLog } from '../api/sonde';
import { plural } from '../app/figures';
import { Go } from '../app/Go';
import { useKeys } from '../app/keyboard';
import { Chip, Mark } from '../app/Mark';
import { Copy, Empty, Problem, Waiting } from '../app/messages';
import { Page } from '../app/Page';
import { useScheme } from '../app/theme';
import { useUrl } from '../app/urlState';
import { colorOfName } from '../charts/palette';
import { took } from '../time/duration';
import { useTime } from '../time/TimeContext';
import { Minimap } from '../trace/Minimap';
import { SpanPanel } from '../trace/SpanPanel';
import { buildTree, isError, visibleNodes } from '../trace/tree';
import { Waterfall } from '../trace/Waterfall';

const inlineAtMost = 400;

export default function TracePage({ id }: { id: string }) {
  const url = useUrl();
  const time = useTime();
  const { scheme } = useScheme();
  const answer = useQuery({ queryKey: ['trace', id], placeholderData: undefined, staleTime: 5000, queryFn: ({ signal }) => sonde.trace(id, signal) });
  const trace = answer.data;
  const tree = useMemo(() => buildTree(trace?.spans ?? []), [trace]);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const selected = url.get('span');
  const total = Math.max(trace?.duration ?? 0, tree.end, 1e-9);
  const [shown, setShown] = useState<[number, number] | null>(null);
  const inline = url.get('inline') ? url.get('inline') === 'on' : (trace?.logs.length ?? 0) <= inlineAtMost;

  const logs = useMemo(() => {
    const map = new Map<string, TraceLog[]>();
    for (const l of trace?.logs ?? []) {
      // A line without a span stands under the root.
      const owner = l.span_id && tree.byId.has(l.span_id) ? l.span_id : tree.roots[0]?.span.span_id ?? '';
      const own = map.get(owner);
      if (own) own.push(l);
      else map.set(owner, [l]);
    }
    return map;
  }, [trace, tree]);

  const select = useCallback((span: string) => url.set({ span: span || null }), [url]);
  const toggle = (span: string) => setClosed(c => { const next = new Set(c); if (!next.delete(span)) next.add(span); return next; });
  const move = (by: number) => {
    const rows = visibleNodes(tree, closed);
    const at = rows.findIndex(n => n.span.span_id === selected);
    const next = rows[Math.min(rows.length - 1, Math.max(0, at + by))];
    if (next) select(next.span.span_id);
  };
  useKeys({
    '[': () => setClosed(new Set(tree.nodes.filter(n => n.children.length && n.depth > 0).map(n => n.span.span_id))),
    ']': () => setClosed(new Set()),
    ArrowDown: () => move(1), ArrowUp: () => move(-1), f: () => move(1), b: () => move(-1),
    ArrowLeft: () => selected && setClosed(c => new Set(c).add(selected)),
    ArrowRight: () => setClosed(c => { const next = new Set(c); next.delete(selected); return next; }),
    Escape: () => select(''),
  });

  const node = tree.byId.get(selected);
  const root = tree.roots[0]?.span;
  const errors = tree.nodes.filter(n => isError(n.span));
  const heaviest = useMemo(() => [...tree.nodes].sort((a, b) => b.self - a.self)[0], [tree]);

  return (
    <Page title={root ? `${root.service} ${root.name}` : 'Trace'} ready={!answer.isPending} empty={!!answer.error}
      sub={trace && <>
        <b style={{ color: 'var(--ink)' }}>{took(total)}</b><span>{time.instant(trace.start, 'ms')} {time.zoneLabel}</span><span>{plural(trace.spans.length, 'span')}</span>
        {errors.length > 0 ? <button type="button" className="btn quiet" onClick={() => select(errors[0].span.span_id)}><Mark tone="bad">{plural(errors.length, 'error')}</Mark></button> : <Mark tone="ok">no errors</Mark>}
        {trace.truncated && <Chip tone="warn">more spans than are shown</Chip>}
      </>}
      actions={trace && <>
        <label className="check"><input type="checkbox" checked={inline} onChange={e => url.set({ inline: e.target.checked ? 'on' : 'off' })} />Logs inline ({trace.logs.length})</label>
        <Copy text={id} label="Trace id" quiet={false} />
      </>}>
      {answer.error && (
        <div className="stack">
          <Problem error={answer.error} title={`Trace ${id} could not be read`} />
          <Empty title="What can be done" action={<Go className="btn primary" to="/traces">Search traces</Go>}>A trace may have been sampled away, be older than the retention, or not yet have arrived: spans are stored a moment after they end.</Empty>
        </div>
      )}
      {answer.isPending && <Waiting rows={14} />}
      {trace && (
        <div className="stack">
          <div className="row wrap small">
            {trace.services.map(s => <Go key={s} to={`/service/${encodeURIComponent(s)}`} className="row" style={{ gap: 0 }}><i className="swatch" style={{ background: colorOfName(s, scheme) }} />{s}</Go>)}
            <span className="grow" />
            {heaviest && <button type="button" className="btn" onClick={() => select(heaviest.span.span_id)}>Most self time: {heaviest.span.service} {took(heaviest.self)} of {took(total)}</button>}
            <span className="muted"><i className="legend-critical" /> critical path</span>
          </div>
          <div className={node ? 'trace-body with-span' : 'trace-body'}>
            <div className="card">
              <Minimap tree={tree} total={total} window={shown ?? [0, total]} onWindow={w => setShown(w[0] <= 0 && w[1] >= total ? null : w)} />
              <Waterfall tree={tree} logs={logs} inline={inline} closed={closed} onToggle={toggle} selected={selected} onSelect={select} window={shown ?? [0, total]} traceStart={trace.start} />
            </div>
            {node && <SpanPanel key={selected} node={node} logs={logs.get(selected) ?? []} traceStart={trace.start} traceDuration={total} traceId={id} onSelect={select} onClose={() => select('')} />}
          </div>
          {selected && !node && <p className="muted small">The span {selected} is not in this trace.</p>}
        </div>
      )}
    </Page>
  );
}
