import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef } from 'react';
import type { TraceLog } from '../api/sonde';
import { Icon } from '../app/icons';
import { Shape } from '../app/Mark';
import { useScheme } from '../app/theme';
import { colorOfName } from '../charts/palette';
import { took } from '../time/duration';
import { Glance } from '../logs/Glance';
import { plainFields } from '../logs/lines';
import { isError, statementOf, visibleNodes, type Node, type Tree } from './tree';

interface Props {
  tree: Tree; logs: Map<string, TraceLog[]>; inline: boolean; closed: ReadonlySet<string>; onToggle: (id: string) => void;
  selected: string; onSelect: (id: string) => void; window: [number, number]; traceStart: number;
}

type Row = { kind: 'span'; node: Node } | { kind: 'log'; log: TraceLog; node: Node; key: string };

const rowHeight = 26;

export function Waterfall({ tree, logs, inline, closed, onToggle, selected, onSelect, window: [from, to], traceStart }: Props) {
  const { scheme } = useScheme();
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo<Row[]>(() => visibleNodes(tree, closed).flatMap((node): Row[] => [
    { kind: 'span', node },
    ...(inline ? (logs.get(node.span.span_id) ?? []).map((log, i): Row => ({ kind: 'log', log, node, key: `${node.span.span_id}.${i}` })) : []),
  ]), [tree, closed, inline, logs]);
  const list = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => rowHeight, overscan: 16 });

  useEffect(() => {
    const index = rows.findIndex(r => r.kind === 'span' && r.node.span.span_id === selected);
    if (index >= 0) list.scrollToIndex(index, { align: 'auto' });
    // Only when the choice changes: scrolling by hand must not be undone by new rows.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [selected]);

  const span = to - from || 1;
  // A part of the lane, cut at its ends; nothing where it lies outside.
  const left = (t: number) => `${((t - from) / span) * 100}%`;
  const inside = (t: number) => t >= from && t <= to;
  const stretch = (a: number, b: number) => {
    const [l, r] = [Math.max(a, from), Math.min(b, to)];
    return l <= r ? { left: left(l), width: `max(2px, ${((r - l) / span) * 100}%)` } : { display: 'none' };
  };
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  return (
    <div className="waterfall">
      <div className="wf-head"><span>Span</span><span className="wf-ticks">{ticks.map(f => <i key={f} style={{ left: `${f * 100}%` }} data-last={f === 1 || undefined}>{took(from + f * span)}</i>)}</span></div>
      <div ref={scroller} className="rows wf-rows" role="tree" aria-label="Spans" tabIndex={0}>
        <div className="inner" style={{ height: list.getTotalSize() }} role="presentation">
          {list.getVirtualItems().map(item => {
            const row = rows[item.index];
            const at = { transform: `translateY(${item.start}px)`, height: rowHeight };
            const { node } = row;
            if (row.kind === 'log') {
              const t = row.log.t - traceStart;
              return (
                <div key={row.key} className={`item wf-row wf-log level-${row.log.level}`} style={at} role="presentation">
                  <span className="wf-name" style={{ paddingLeft: 8 + (node.depth + 1) * 14 + 16 }}><b className="log-level">{row.log.level}</b><span className="ellipsis">{row.log.message}<Glance fields={plainFields(row.log.fields)} /></span></span>
                  <span className="wf-lane">{inside(t) && <i className="wf-dot" style={{ left: left(t) }} title={`${took(t)} after the start`} />}</span>
                </div>
              );
            }
            const s = node.span;
            const bad = isError(s);
            const color = colorOfName(s.service, scheme);
            const isOpen = !closed.has(s.span_id);
            const statement = statementOf(s);
            return (
              <div key={s.span_id + item.index} className="item wf-row" style={at} role="treeitem" aria-level={node.depth + 1} aria-selected={selected === s.span_id} aria-expanded={node.children.length ? isOpen : undefined}
                onClick={() => onSelect(s.span_id)}>
                <span className="wf-name" style={{ paddingLeft: 8 + Math.min(node.depth, 24) * 14 }}>
                  {node.children.length > 0
                    ? <button type="button" className="log-toggle" tabIndex={-1} aria-label={isOpen ? 'Collapse' : 'Expand'} aria-expanded={isOpen} onClick={e => { e.stopPropagation(); onToggle(s.span_id); }}><Icon name="chevron" /></button>
                    : <i className="wf-leaf" />}
                  <i className="wf-service" style={{ background: color }} />
                  <b className="nowrap">{s.service}</b><span className="ellipsis">{statement ? statement.text : s.name}</span>
                  {bad && <span className="tone-bad row" style={{ gap: 3, flex: 'none' }}><span className="wf-shape"><Shape tone="bad" /></span>error</span>}
                  {!isOpen && <span className="chip">{node.descendants}</span>}
                </span>
                <span className="wf-lane">
                  <i className="wf-bar" style={{ ...stretch(s.start, s.start + s.duration), background: color }} />
                  {node.critical.map(([a, b], i) => <i key={i} className="wf-critical" style={stretch(a, b)} />)}
                  <Took duration={s.duration} end={(s.start + s.duration - from) / span} />
                </span>
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

// Behind its bar; the lane leaves room for it.
function Took({ duration, end }: { duration: number; end: number }) {
  return <span className="wf-took" style={{ left: `calc(${Math.min(1, Math.max(0, end)) * 100}% + 6px)` }}>{took(duration)}</span>;
}
