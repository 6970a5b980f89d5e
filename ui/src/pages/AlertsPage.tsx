import { useQuery } from '@tanstack/react-query';
import { AlertHistory } from '../alerts/AlertHistory';
import { AlertList } from '../alerts/AlertList';
import { Findings } from '../alerts/Findings';
import { Inbox } from '../alerts/Inbox';
import { sonde } from '../api/sonde';
import { Go } from '../app/Go';
import { Chip } from '../app/Mark';
import { Page } from '../app/Page';
import { useUrl } from '../app/urlState';
import { useTime } from '../time/TimeContext';

const tabs = ['active', 'history', 'findings', 'inbox'] as const;
type Tab = (typeof tabs)[number];

export default function AlertsPage() {
  const url = useUrl();
  const time = useTime();
  const { start, end } = time.range;
  const given = url.get('tab');
  const tab: Tab = tabs.find(t => t === given) ?? 'active';
  const live = { refetchInterval: 5000 };
  const alerts = useQuery({ queryKey: ['alerts'], queryFn: ({ signal }) => sonde.alerts(signal), ...live });
  const history = useQuery({ queryKey: ['history', start, end, 500], queryFn: ({ signal }) => sonde.history(start, end, 500, signal), enabled: tab === 'history' });
  const findings = useQuery({ queryKey: ['findings'], queryFn: ({ signal }) => sonde.findings(signal) });
  const inbox = useQuery({ queryKey: ['inbox'], queryFn: ({ signal }) => sonde.inbox(100, signal), ...live });
  const shown = { active: alerts, history, findings, inbox }[tab];
  const empty = { active: alerts.data?.alerts.length === 0, history: history.data?.transitions.length === 0, findings: findings.data?.findings.length === 0, inbox: inbox.data?.messages.length === 0 }[tab];
  const counts: Partial<Record<Tab, React.ReactNode>> = {
    active: alerts.data && alerts.data.alerts.length > 0 && <Chip tone={alerts.data.alerts.some(a => a.state === 'firing') ? 'bad' : 'warn'}>{alerts.data.alerts.length}</Chip>,
    findings: findings.data && findings.data.findings.length > 0 && <Chip tone="warn">{findings.data.findings.length}</Chip>,
    inbox: inbox.data && inbox.data.unread > 0 && <Chip tone="info">{inbox.data.unread} new</Chip>,
  };
  return (
    <Page title="Alerts" ready={!shown.isPending} empty={empty}>
      <nav className="tabs" aria-label="Alerts">
        {tabs.map(t => <Go key={t} to="/alerts" with={{ tab: t === 'active' ? '' : t }} aria-current={t === tab ? 'page' : undefined}>{t[0].toUpperCase() + t.slice(1)}{counts[t]}</Go>)}
      </nav>
      {tab === 'active' && <AlertList answer={alerts} />}
      {tab === 'history' && <AlertHistory answer={history} />}
      {tab === 'findings' && <Findings answer={findings} />}
      {tab === 'inbox' && <Inbox answer={inbox} />}
    </Page>
  );
}
