import { useMutation, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import { sonde, type Message } from '../api/sonde';
import { Chip, Mark, State } from '../app/Mark';
import { Empty, LabelSet, Problem, Snippet, Waiting } from '../app/messages';
import { useUrl } from '../app/urlState';
import { useTime } from '../time/TimeContext';

const webhook = `receivers:
  - name: team
    slack_configs: [{api_url_file: /etc/sonde/slack-url, channel: '#alerts'}]
    webhook_configs: [{url: 'http://127.0.0.1:8080/hook'}]
    email_configs: [{to: 'oncall@example.org', from: 'sonde@example.org', smarthost: 'mail.example.org:587'}]
route:
  receiver: team
  group_by: [alertname, service]`;

export function Inbox({ answer }: { answer: UseQueryResult<{ messages: Message[]; unread: number }> }) {
  const url = useUrl();
  const time = useTime();
  const client = useQueryClient();
  const mark = useMutation({ mutationFn: (id: Message['id']) => sonde.markRead(id), onSuccess: () => client.invalidateQueries({ queryKey: ['inbox'] }) });
  if (answer.isPending) return <Waiting rows={8} />;
  if (answer.error && !answer.data) return <Problem error={answer.error} title="The inbox could not be read" />;
  const messages = answer.data?.messages ?? [];
  if (messages.length === 0) return <Empty title="No notification was sent yet" snippets={[{ title: 'Receivers, in the notification file (Alertmanager’s own format)', code: webhook }]}>Every notification is kept here as it was rendered, with what became of each delivery. Without any receiver configured, this inbox is where they go.</Empty>;
  const message = messages.find(m => String(m.id) === url.get('message')) ?? messages[0];
  const open = (m: Message) => {
    url.set({ message: String(m.id) });
    if (!m.read) mark.mutate(m.id);
  };
  return (
    <div className="inbox">
      <ul className="card inbox-list" aria-label="Notifications">
        {messages.map(m => (
          <li key={m.id}>
            <button type="button" aria-current={m === message || undefined} onClick={() => open(m)}>
              <span className="row"><State word={m.status} /><span className="grow" />{!m.read && <Chip tone="info">new</Chip>}<span className="muted small">{time.short(m.t)}</span></span>
              <span className="ellipsis" style={{ fontWeight: m.read ? 450 : 650 }}>{m.title}</span>
            </button>
          </li>
        ))}
      </ul>
      <article className="card message">
        <header><h2 className="ellipsis">{message.title}</h2><span className="end">{!message.read && <button type="button" className="btn" onClick={() => mark.mutate(message.id)}>Mark as read</button>}</span></header>
        <div className="body stack">
          <div className="row wrap"><State word={message.status} /><span className="muted">to {message.receiver} at {time.instant(message.t)} {time.zoneLabel}</span></div>
          {mark.error && <Problem error={mark.error} title="It could not be marked as read" />}
          <pre className="message-body" tabIndex={0}>{message.body}</pre>
          <LabelSet labels={message.labels} />
          <section>
            <h3 className="small">Alerts in it</h3>
            <table className="data"><tbody>{message.alerts.map((a, i) => <tr key={i}><td><State word={a.state} /></td><td>{a.annotations.summary ?? a.labels.alertname}</td><td><LabelSet labels={a.labels} hide={['alertname']} /></td><td className="nowrap muted">{time.short(a.starts_at)}{a.ends_at ? ` – ${time.clock(a.ends_at)}` : ''}</td></tr>)}</tbody></table>
          </section>
          <section>
            <h3 className="small">Deliveries</h3>
            {message.deliveries.length === 0 ? <p className="muted">To this inbox only: no other receiver is configured for it.</p> : (
              <table className="data"><tbody>{message.deliveries.map((d, i) => <tr key={i}><td>{d.ok ? <Mark tone="ok">delivered</Mark> : <Mark tone="bad">failed</Mark>}</td><td>{d.receiver}</td><td className="muted nowrap">{time.instant(d.t)}</td><td>{d.error}</td></tr>)}</tbody></table>
            )}
          </section>
          {message.deliveries.length === 0 && <Snippet title="Send them somewhere" code={webhook} />}
        </div>
      </article>
    </div>
  );
}
