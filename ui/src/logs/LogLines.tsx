import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef, useState } from 'react';
import { Go } from '../app/Go';
import { Icon } from '../app/icons';
import { paths } from '../app/links';
import { Copy } from '../app/messages';
import { useTime } from '../time/TimeContext';
import { messageOf } from './groups';
import { Glance } from './Glance';
import type { LogLine } from './lines';

interface Props { lines: LogLine[]; height?: number | string; onFilter?: (label: string, value: string, op: '=' | '!=') => void }

// Virtualised: only what is on the screen is in the document. Rows are plain elements and measure themselves.
export function LogLines({ lines, height = '100%', onFilter }: Props) {
  const time = useTime();
  const scroller = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<Set<string>>(new Set());
  const rows = useVirtualizer({ count: lines.length, getScrollElement: () => scroller.current, estimateSize: () => 24, overscan: 12, getItemKey: i => lines[i].key });
  const toggle = (key: string) => setOpen(o => { const next = new Set(o); if (!next.delete(key)) next.add(key); return next; });
  return (
    <div ref={scroller} className="rows log-lines" style={{ height }} tabIndex={0} role="region" aria-label="Log lines, newest first">
      <div className="inner" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(item => {
          const line = lines[item.index];
          const expanded = open.has(line.key);
          return (
            <div key={item.key} ref={rows.measureElement} data-index={item.index} className="item" style={{ transform: `translateY(${item.start}px)` }}>
              <div className={`log-line level-${line.level}`} data-open={expanded}>
                <button type="button" className="log-toggle" aria-expanded={expanded} aria-label={`${line.level} ${line.service} ${time.clock(line.t, 'ms')}: fields`} onClick={() => toggle(line.key)}><Icon name="chevron" /></button>
                <span className="log-time">{time.clock(line.t, 'ms')}</span>
                <span className="log-level">{line.level === 'unknown' ? '–' : line.level}</span>
                <span className="log-service ellipsis">{line.service}</span>
                <span className="log-text" onClick={() => { if (!window.getSelection()?.toString()) toggle(line.key); }}>{messageOf(line.text)}<Glance fields={line.fields} /></span>
                {line.traceId && <Go className="log-trace" to={paths.trace(line.traceId)} with={{ span: line.spanId }}>trace</Go>}
              </div>
              {expanded && <Fields line={line} onFilter={onFilter} />}
            </div>
          );
        })}
      </div>
    </div>
  );
}

function Fields({ line, onFilter }: { line: LogLine; onFilter?: Props['onFilter'] }) {
  const time = useTime();
  return (
    <div className="log-fields">
      <div className="row" style={{ marginBottom: 6 }}><span className="muted small">{time.instant(line.t, 'ms')} {time.zoneLabel}</span><Copy text={line.text} label="Copy line" />{line.traceId && <Go className="btn" to={paths.trace(line.traceId)} with={{ span: line.spanId }}>Open its trace</Go>}</div>
      {messageOf(line.text) !== line.text && <pre className="log-raw">{pretty(line.text)}</pre>}
      <table>
        <tbody>
          {Object.entries(line.fields).sort(([a], [b]) => a.localeCompare(b)).map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th><td>{value}</td>
              {onFilter && <td className="nowrap"><button type="button" className="btn quiet" aria-label={`only ${name}=${value}`} title="Only these" onClick={() => onFilter(name, value, '=')}>=</button><button type="button" className="btn quiet" aria-label={`without ${name}=${value}`} title="Without these" onClick={() => onFilter(name, value, '!=')}>≠</button></td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
