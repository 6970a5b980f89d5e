import { useQuery, type UseQueryResult } from '@tanstack/react-query';
import { useMemo } from 'react';
import { ruleExpressions } from '../api/prometheus';
import type { Transition } from '../api/sonde';
import { useAddresses } from '../app/addresses';
import { useBounded } from '../app/Bounded';
import { State } from '../app/Mark';
import { Empty, LabelSet, Problem, Waiting } from '../app/messages';
import { Card } from '../app/Page';
import { snippets } from '../app/snippets';
import { unitOf, writeIn } from '../charts/unit';
import { useTime } from '../time/TimeContext';
import { intervals } from './intervals';

const lanes = 40;

export function AlertHistory({ answer }: { answer: UseQueryResult<{ transitions: Transition[]; truncated: boolean }> }) {
  const addresses = useAddresses();
  const time = useTime();
  const { start, end } = time.range;
  // A rule that is gone leaves a plain number.
  const rules = useQuery({ queryKey: ['rule-expressions'], queryFn: ({ signal }) => ruleExpressions(signal), staleTime: 60_000, retry: false });
  const write = (x: Transition) => writeIn(unitOf(rules.data?.get(x.rule) ?? ''))(x.value);
  const rows = useMemo(() => intervals(answer.data?.transitions ?? [], start, end), [answer.data, start, end]);
  const { shown, more } = useBounded(answer.data?.transitions ?? []);
  if (answer.isPending) return <Waiting rows={8} />;
  if (answer.error) return <Problem error={answer.error} title="The history could not be read" />;
  const transitions = answer.data?.transitions ?? [];
  if (transitions.length === 0) return <Empty title="No alert changed its state in this range" snippets={[snippets.rule(addresses)]}>Widen the range with the time picker above.</Empty>;
  const at = (t: number) => `${((t - start) / (end - start)) * 100}%`;
  return (
    <div className="stack">
      <Card title="Timeline" sub={rows.length > lanes ? `${lanes} of ${rows.length} alerts shown` : 'hatched: pending; solid: firing'} flush>
        <div className="lanes">
          {rows.slice(0, lanes).map(r => (
            <div key={r.key} className="lane">
              <span className="lane-name"><b>{r.rule}</b> <LabelSet labels={r.labels} hide={['alertname', 'severity']} /></span>
              <span className="lane-track" role="img" aria-label={r.parts.map(p => `${p.state} from ${time.instant(p.start)} to ${time.clock(p.end)}`).join('; ')}>
                {r.parts.map((p, i) => <i key={i} className={`lane-part is-${p.state}`} style={{ left: at(p.start), width: `max(3px, ${((p.end - p.start) / (end - start)) * 100}%)` }} title={`${p.state}: ${time.instant(p.start)} – ${time.clock(p.end)}`} />)}
              </span>
            </div>
          ))}
          <div className="lane"><span /><span className="row small muted" style={{ justifyContent: 'space-between' }}><span>{time.short(start)}</span><span>{time.short((start + end) / 2)}</span><span>{time.short(end)}</span></span></div>
        </div>
      </Card>
      <Card title="Changes" sub={answer.data?.truncated ? 'the newest 500' : undefined} flush>
        <div className="scroll-x">
          <table className="data">
            <thead><tr><th scope="col">Time ({time.zoneLabel})</th><th scope="col">Alert</th><th scope="col">From</th><th scope="col">To</th><th scope="col" className="num">Value</th><th scope="col">Labels</th></tr></thead>
            <tbody>{shown.map((x, i) => <tr key={i}><td className="nowrap muted">{time.instant(x.t)}</td><td><b>{x.rule}</b> <span className="muted small">{x.group}</span></td><td className="muted">{x.from}</td><td><State word={x.to === 'inactive' && x.from === 'firing' ? 'resolved' : x.to} /></td><td className="num">{write(x)}</td><td><LabelSet labels={x.labels} hide={['alertname']} /></td></tr>)}</tbody>
          </table>
        </div>
        {more}
      </Card>
    </div>
  );
}
