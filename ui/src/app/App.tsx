import { QueryClient, QueryClientProvider, keepPreviousData } from '@tanstack/react-query';
import { Component, lazy, Suspense, type ReactNode } from 'react';
import { Redirect, Route, Router, Switch, useSearch } from 'wouter';
import { ApiError } from '../api/http';
import { OverviewPage } from '../pages/OverviewPage';
import { graphToExplore } from '../query/graphLink';
import { TimeProvider } from '../time/TimeContext';
import { Go } from './Go';
import { Empty, Problem, Waiting } from './messages';
import { Page } from './Page';
import { mountPath } from './place';
import { Shell } from './Shell';
import { Theme } from './theme';

const client = new QueryClient({
  defaultOptions: {
    queries: {
      placeholderData: keepPreviousData,
      refetchOnWindowFocus: false,
      staleTime: 1000,
      gcTime: 60_000,
      retry: (failures, error) => failures < 1 && error instanceof ApiError && (error.status === 0 || error.status >= 502),
    },
  },
});

const ServicePage = lazy(() => import('../pages/ServicePage'));
const ExplorePage = lazy(() => import('../pages/ExplorePage'));
const LogsPage = lazy(() => import('../pages/LogsPage'));
const TracesPage = lazy(() => import('../pages/TracesPage'));
const TracePage = lazy(() => import('../pages/TracePage'));
const QueriesPage = lazy(() => import('../pages/QueriesPage'));
const StatementPage = lazy(() => import('../pages/StatementPage'));
const AlertsPage = lazy(() => import('../pages/AlertsPage'));
const TargetsPage = lazy(() => import('../pages/TargetsPage'));
const StatusPage = lazy(() => import('../pages/StatusPage'));

// Links that Prometheus writes (generatorURL, bookmarks) open in Explore.
function FromGraph() {
  const search = useSearch();
  return <Redirect to={`/explore?${graphToExplore(search)}`} replace />;
}

class Guard extends Component<{ children: ReactNode }, { error?: Error }> {
  state: { error?: Error } = {};
  static getDerivedStateFromError(error: Error) { return { error }; }
  render() {
    if (!this.state.error) return this.props.children;
    return <Page title="Fault" ready><Problem error={this.state.error} title="This page failed" /></Page>;
  }
}

const Loading = () => <main id="main" data-ready="false"><Waiting rows={8} /></main>;

export function App() {
  return (
    <Theme>
      <QueryClientProvider client={client}>
        <Router base={mountPath}>
          <TimeProvider>
            <Shell>
              {path => (
                <Guard key={path}>
                  <Suspense fallback={<Loading />}>
                    <Switch>
                      <Route path="/"><OverviewPage /></Route>
                      <Route path="/service/:name">{p => <ServicePage name={decodeURIComponent(p.name)} />}</Route>
                      <Route path="/explore"><ExplorePage /></Route>
                      <Route path="/graph"><FromGraph /></Route>
                      <Route path="/query"><FromGraph /></Route>
                      <Route path="/logs"><LogsPage /></Route>
                      <Route path="/traces"><TracesPage /></Route>
                      <Route path="/trace/:id">{p => <TracePage id={p.id} />}</Route>
                      <Route path="/queries"><QueriesPage /></Route>
                      <Route path="/queries/:fingerprint">{p => <StatementPage fingerprint={decodeURIComponent(p.fingerprint)} />}</Route>
                      <Route path="/alerts"><AlertsPage /></Route>
                      <Route path="/targets"><TargetsPage /></Route>
                      <Route path="/status"><StatusPage /></Route>
                      <Route>
                        <Page title="No such page" ready empty>
                          <Empty title="There is no page at this address" action={<Go className="btn primary" to="/">Overview</Go>}>Press ctrl+k to find a service, a page or a trace by its id.</Empty>
                        </Page>
                      </Route>
                    </Switch>
                  </Suspense>
                </Guard>
              )}
            </Shell>
          </TimeProvider>
        </Router>
      </QueryClientProvider>
    </Theme>
  );
}
