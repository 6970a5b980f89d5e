import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { useLocation, useSearch } from 'wouter';
import { sonde } from '../api/sonde';
import { TimePicker } from '../time/TimePicker';
import { useTime } from '../time/TimeContext';
import { Go } from './Go';
import { Icon, type IconName } from './icons';
import { goTo, useKeys } from './keyboard';
import { withSearch } from './links';
import { Chip } from './Mark';
import { useScheme } from './theme';
import { useStatus } from './useStatus';

const Palette = lazy(() => import('./Palette'));
const CheatSheet = lazy(() => import('./CheatSheet'));

const entries: [string, string, IconName][] = [
  ['/', 'Overview', 'overview'], ['/explore', 'Explore', 'explore'], ['/logs', 'Logs', 'logs'], ['/traces', 'Traces', 'traces'],
  ['/queries', 'Queries', 'queries'], ['/alerts', 'Alerts', 'alerts'], ['/targets', 'Targets', 'targets'], ['/status', 'Status', 'status'],
];

const isUnder = (path: string, entry: string) =>
  entry === '/' ? path === '/' || path.startsWith('/service/') : path === entry || path.startsWith(`${entry}/`) || (entry === '/traces' && path.startsWith('/trace/'));

export function Shell({ children }: { children: (path: string) => ReactNode }) {
  const [path, navigate] = useLocation();
  const search = useSearch();
  const time = useTime();
  const { scheme, toggle } = useScheme();
  const [overlay, setOverlay] = useState<'' | 'palette' | 'cheats'>('');
  const alerts = useQuery({ queryKey: ['alerts', time.now], queryFn: ({ signal }) => sonde.alerts(signal) });
  const status = useStatus();
  const firing = alerts.data?.alerts.filter(a => a.state === 'firing').length ?? 0;

  const gos = Object.fromEntries(Object.entries(goTo).map(([key, [to]]) => [`g ${key}`, () => navigate(withSearch(to, {}, search))]));
  useKeys({
    ...gos,
    'ctrl+k': () => setOverlay('palette'),
    '?': () => setOverlay('cheats'),
    t: toggle,
    r: time.tick,
    z: time.zoomOut,
    space: time.togglePause,
    '/': () => {
      const field = document.querySelector<HTMLElement>('#main [data-search]');
      if (field) field.focus();
      else setOverlay('palette');
    },
  });

  return (
    <div className="shell">
      <header className="topbar">
        <Go to="/" className="wordmark" title="sonde: overview">
          <svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#12324a" /><path d="M5 18h5l3-9 5 15 3.5-10 1.5 4h4" fill="none" stroke="#6fd3c4" strokeWidth="2.6" strokeLinecap="round" strokeLinejoin="round" /></svg>
          <span>sonde</span>
        </Go>
        <button type="button" className="finder" onClick={() => setOverlay('palette')}>
          <Icon name="search" /><span className="hint">Service, page or trace id</span><span className="keys hint"><kbd>ctrl k</kbd></span>
        </button>
        <span className="grow" />
        {status.data?.demo && <Chip tone="info" title="Started by sonde demo: the data is removed on exit">demo</Chip>}
        <TimePicker />
        <Go to="/alerts" className="btn square quiet" title="Alerts" style={firing ? { width: 'auto', padding: '0 8px', color: 'var(--bad)' } : undefined}>
          <Icon name="alerts" />{firing > 0 && <b>{firing}</b>}<span className="only-readers">{firing === 1 ? 'alert' : 'alerts'} firing</span>
        </Go>
        <button type="button" className="btn square quiet" onClick={toggle} aria-label={scheme === 'dark' ? 'Light theme' : 'Dark theme'} title="Dark or light (t)"><Icon name={scheme === 'dark' ? 'sun' : 'moon'} /></button>
        <button type="button" className="btn square quiet" onClick={() => setOverlay('cheats')} aria-label="Keyboard shortcuts" title="Keyboard (?)"><Icon name="help" /></button>
      </header>
      <nav className="nav" aria-label="Pages">
        {entries.map(([to, label, icon]) => (
          <Go key={to} to={to} aria-current={isUnder(path, to) ? 'page' : undefined} title={label}>
            <Icon name={icon} /><span className="nav-label">{label}</span>
            {to === '/alerts' && firing > 0 && <span className="count"><Chip tone="bad">{firing}</Chip></span>}
          </Go>
        ))}
        <div className="nav-foot">
          {status.data && <>sonde {status.data.version}<br /></>}
          {status.data?.auth.enabled && <>{status.data.auth.user}<br /></>}
          all times {time.zoneLabel}
        </div>
      </nav>
      {children(path)}
      <Suspense fallback={null}>
        {overlay === 'palette' && <Palette onClose={() => setOverlay('')} />}
        {overlay === 'cheats' && <CheatSheet onClose={() => setOverlay('')} />}
      </Suspense>
    </div>
  );
}
