import { useState } from 'react';
import type { Statement } from '../api/sonde';
import { useBounded } from '../app/Bounded';
import { count, percent } from '../app/figures';
import { Go } from '../app/Go';
import { paths } from '../app/links';
import { Chip, Mark } from '../app/Mark';
import { took } from '../time/duration';

export type StatementOrder = 'total_seconds' | 'calls' | 'p95' | 'mean' | 'errors';
const columns: [StatementOrder, string][] = [['calls', 'Calls'], ['mean', 'Mean'], ['p95', 'p95'], ['errors', 'Errors'], ['total_seconds', 'Total time']];

export function sorted(statements: Statement[], by: StatementOrder): Statement[] {
  return [...statements].sort((a, b) => (b[by] ?? 0) - (a[by] ?? 0) || b.total_seconds - a.total_seconds);
}

interface Props { statements: Statement[]; order?: StatementOrder; onOrder?: (by: StatementOrder) => void; service?: boolean; compact?: boolean }

export function StatementTable({ statements, order: given, onOrder, service = false, compact = false }: Props) {
  const [own, setOwn] = useState<StatementOrder>('total_seconds');
  const order = given ?? own;
  const all = statements.reduce((sum, s) => sum + s.total_seconds, 0) || 1;
  const { shown, more } = useBounded(sorted(statements, order));
  return (
    <div className="scroll-x">
      <table className="data">
        <thead>
          <tr>
            <th scope="col">Statement</th>{service && <th scope="col">Service</th>}
            {columns.filter(([key]) => !compact || key !== 'mean').map(([key, label]) => <th key={key} scope="col" className="num" aria-sort={order === key ? 'descending' : undefined}><button type="button" onClick={() => (onOrder ?? setOwn)(key)}>{label}{order === key ? ' ↓' : ''}</button></th>)}
            {!compact && <th scope="col"><span className="only-readers">Share of the total time</span></th>}
          </tr>
        </thead>
        <tbody>
          {shown.map(s => (
            <tr key={s.fingerprint + s.service}>
              <td style={{ minWidth: compact ? 180 : 260 }}>
                <Go to={paths.statement(s.fingerprint)} with={{ service: s.service }} className="statement" title={s.text}>{s.text}</Go>
                <span className="small muted">{s.system}{s.sampled && <> <Chip title="From spans, which a sampler may have thinned out: the true counts may be higher">sampled</Chip></>}</span>
              </td>
              {service && <td><Go to={paths.service(s.service)}>{s.service}</Go></td>}
              <td className="num">{count(s.calls)}</td>{!compact && <td className="num">{took(s.mean)}</td>}<td className="num">{took(s.p95)}</td>
              <td className="num">{s.errors ? <Mark tone="bad">{count(s.errors)}{!compact && <span className="muted"> ({percent(s.errors / Math.max(1, s.calls))})</span>}</Mark> : <span className="muted">0</span>}</td>
              <td className="num">{took(s.total_seconds)}</td>
              {!compact && <td className="bar-cell"><i className="bar" style={{ width: `${Math.max(1, (s.total_seconds / all) * 100)}%` }} /><span className="only-readers">{percent(s.total_seconds / all)}</span></td>}
            </tr>
          ))}
        </tbody>
      </table>
      {more}
    </div>
  );
}
