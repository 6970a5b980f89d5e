import type { UseQueryResult } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { AlertRow } from '../api/sonde';
import { useAddresses } from '../app/addresses';
import { useBounded } from '../app/Bounded';
import { Go } from '../app/Go';
import { paths } from '../app/links';
import { Chip, State } from '../app/Mark';
import { Empty, LabelSet, Problem, Waiting } from '../app/messages';
import { snippets } from '../app/snippets';
import { useUrl } from '../app/urlState';
import { unitOf, writeIn } from '../charts/unit';
import { durationText, roughly } from '../time/duration';
import { useTime } from '../time/TimeContext';
import { EvidencePanel } from './EvidencePanel';
import { alertKey, remaining } from './key';

export function AlertList({ answer }: { answer: UseQueryResult<{ alerts: AlertRow[] }> }) {
  const addresses = useAddresses();
  const url = useUrl();
  const open = url.get('evidence');
  const service = url.get('service');
  const [now, setNow] = useState(() => Date.now() / 1000);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now() / 1000), 1000);
    return () => clearInterval(timer);
  }, []);
  const all = answer.data?.alerts ?? [];
  const alerts = service ? all.filter(a => [a.labels.service, a.labels.service_name, a.labels.job].includes(service)) : all;
  const { shown, more } = useBounded(alerts);
  if (answer.isPending) return <Waiting rows={5} height={56} />;
  if (answer.error && !answer.data) return <Problem error={answer.error} title="The alerts could not be read" />;
  if (all.length === 0) {
    return <Empty title="No alert is pending or firing" snippets={[snippets.rule(addresses)]} action={<Go className="btn" to="/alerts" with={{ tab: 'history' }}>What fired before</Go>}>That is the good case. If you have no rules yet, begin with this one.</Empty>;
  }
  return (
    <div className="stack">
      {service && <div className="banner">Alerts of <b>{service}</b> only <button type="button" className="btn" onClick={() => url.set({ service: null })}>Show all {all.length}</button></div>}
      {shown.map(a => {
        const key = alertKey(a.name, a.labels);
        const isOpen = open === key;
        const left = remaining(a.remaining_seconds, answer.dataUpdatedAt / 1000, now);
        return (
          <article key={key} className={`card alert-card is-${a.state}`}>
            <Row alert={a} left={left} now={now} isOpen={isOpen} onToggle={() => url.set({ evidence: isOpen ? null : key })} />
            {isOpen && <EvidencePanel alert={a} />}
          </article>
        );
      })}
      {more}
    </div>
  );
}

function Row({ alert: a, left, now, isOpen, onToggle }: { alert: AlertRow; left: number | undefined; now: number; isOpen: boolean; onToggle: () => void }) {
  const time = useTime();
  const write = writeIn(unitOf(a.expr));
  const service = a.labels.service ?? a.labels.service_name;
  return (
    <div className="alert-row">
      <div className="alert-state">
        <State word={a.state} />
        <span className="small muted">{a.state === 'firing' ? `for ${roughly(now - (a.fired_at ?? a.since))}` : `since ${time.clock(a.since)}`}</span>
      </div>
      <div className="grow">
        <div className="row wrap"><h2>{a.name}</h2>{a.labels.severity && <Chip>{a.labels.severity}</Chip>}{service && <Go to={paths.service(service)}>{service}</Go>}</div>
        {(a.annotations.summary || a.annotations.description) && <p>{a.annotations.summary ?? a.annotations.description}</p>}
        <div className="row wrap small" style={{ marginTop: 4 }}>
          <LabelSet labels={a.labels} hide={['alertname', 'severity']} />
          <span className="muted">{a.group} · {a.file}:{a.line}</span>
          {a.annotations.runbook_url?.startsWith('http') && <a href={a.annotations.runbook_url} rel="noreferrer noopener" target="_blank">Runbook</a>}
        </div>
      </div>
      <div className="alert-value">
        <b>{write(a.value)}</b>
        {a.threshold !== undefined && a.threshold !== null && <span className="small muted">threshold {write(a.threshold)}</span>}
        {left !== undefined && a.state === 'pending' && (
          <span className="countdown" title={`for: ${durationText(a.for_seconds)}`}>
            <span className="small">{left > 0 ? `fires in ${roughly(left)}` : 'fires at the next evaluation'}</span>
            <progress max={a.for_seconds || 1} value={Math.max(0, a.for_seconds - left)} aria-label="Share of the waiting time that has passed" />
          </span>
        )}
      </div>
      <button type="button" className={isOpen ? 'btn' : 'btn primary'} aria-expanded={isOpen} onClick={onToggle}>{isOpen ? 'Hide evidence' : 'Show evidence'}</button>
    </div>
  );
}
