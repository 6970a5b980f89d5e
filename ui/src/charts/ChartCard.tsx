import { useState, type ComponentProps, type ReactNode } from 'react';
import { Go } from '../app/Go';
import { Icon } from '../app/icons';
import { Problem } from '../app/messages';
import { Chart } from './Chart';

interface Props extends Omit<ComponentProps<typeof Chart>, 'table'> { sub?: ReactNode; error?: unknown; waiting?: boolean; expr?: string }

// A chart in its card, with the two ways out that every chart has: its figures as a table, its query in Explore.
export function ChartCard({ sub, error, waiting, expr, ...chart }: Props) {
  const [table, setTable] = useState(false);
  return (
    <section className="card">
      <header>
        <h2>{chart.title}</h2>{sub && <span className="sub">{sub}</span>}
        <span className="end" style={{ gap: 0 }}>
          {expr && <Go to="/explore" with={{ 'g0.expr': expr, 'g0.tab': '0' }} className="btn quiet square" aria-label={`${chart.title} in Explore`} title="Open in Explore"><Icon name="out" /></Go>}
          <button type="button" className="btn quiet square" aria-pressed={table} aria-label={`${chart.title} as a table`} title="Table or chart" onClick={() => setTable(t => !t)}><Icon name={table ? 'chart' : 'table'} /></button>
        </span>
      </header>
      {error ? <div className="body"><Problem error={error} title={`${chart.title} could not be read`} /></div>
        : waiting ? <div className="body"><div className="skeleton" style={{ height: (chart.height ?? 190) + 40 }} /></div>
          : <Chart {...chart} table={table} />}
    </section>
  );
}
