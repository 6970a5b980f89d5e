import type { UseQueryResult } from '@tanstack/react-query';
import type { Finding } from '../api/sonde';
import { Go } from '../app/Go';
import { Chip, Mark } from '../app/Mark';
import { Copy, Empty, Problem, Waiting } from '../app/messages';
import { useTime } from '../time/TimeContext';

export function Findings({ answer }: { answer: UseQueryResult<{ findings: Finding[] }> }) {
  const time = useTime();
  if (answer.isPending) return <Waiting rows={5} height={60} />;
  if (answer.error) return <Problem error={answer.error} title="The findings could not be read" />;
  const findings = [...(answer.data?.findings ?? [])].sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error') || b.since - a.since);
  if (findings.length === 0) return <Empty title="Nothing to say about your rules"><Mark tone="ok">Every rule reads series that exist and can fire.</Mark> Rules that can never fire, compare against the wrong unit or read what nobody sends would be listed here.</Empty>;
  return (
    <div className="stack">
      {findings.map((f, i) => (
        <article key={i} className="card finding">
          <div className="row wrap"><Mark tone={f.severity === 'error' ? 'bad' : 'warn'}>{f.severity}</Mark><h2>{f.rule}</h2><Chip>{f.class}</Chip><span className="muted small">{f.group} · {f.file}:{f.line} · since {time.short(f.since)}</span></div>
          <p>{f.message}</p>
          <div className="diff">
            <div className="snippet"><header><span>{f.rewrite ? 'As it stands' : 'Expression'}</span><span className="row"><Go className="btn quiet" to="/explore" with={{ 'g0.expr': f.expr, 'g0.tab': '0' }}>Explore</Go><Copy text={f.expr} /></span></header><pre tabIndex={0}>{f.expr}</pre></div>
            {f.rewrite && <div className="snippet"><header><span>Suggested</span><span className="row"><Go className="btn quiet" to="/explore" with={{ 'g0.expr': f.rewrite, 'g0.tab': '0' }}>Explore</Go><Copy text={f.rewrite} /></span></header><pre tabIndex={0}>{f.rewrite}</pre></div>}
          </div>
        </article>
      ))}
    </div>
  );
}
