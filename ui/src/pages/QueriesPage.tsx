import { useQuery } from '@tanstack/react-query';
import { sonde } from '../api/sonde';
import { useAddresses } from '../app/addresses';
import { count, plural } from '../app/figures';
import { Empty, Problem, Waiting } from '../app/messages';
import { Card, Page } from '../app/Page';
import { snippets } from '../app/snippets';
import { useUrl } from '../app/urlState';
import { StatementTable, type StatementOrder } from '../tables/StatementTable';
import { took } from '../time/duration';
import { useTime } from '../time/TimeContext';

const limit = 100;

export default function QueriesPage() {
  const addresses = useAddresses();
  const url = useUrl();
  const time = useTime();
  const { start, end } = time.range;
  const service = url.get('service');
  const words = url.get('q').toLowerCase();
  const order = (url.get('sort') || 'total_seconds') as StatementOrder;
  const answer = useQuery({ queryKey: ['queries', service, start, end, limit], queryFn: ({ signal }) => sonde.queries({ start, end, service, limit }, signal) });
  const services = useQuery({ queryKey: ['services'], queryFn: ({ signal }) => sonde.services(signal), staleTime: 10_000 });
  const all = answer.data?.statements ?? [];
  const shown = all.filter(s => s.text.toLowerCase().includes(words));
  const total = shown.reduce((sum, s) => sum + s.total_seconds, 0);
  const empty = !!answer.data && all.length === 0;
  return (
    <Page title="Queries" ready={!answer.isPending && !services.isPending} empty={empty}
      sub={<>{answer.data && <span>{plural(shown.length, 'statement')}{answer.data.truncated && `, the heaviest ${limit}`} · {took(total)} in the database · {count(shown.reduce((n, s) => n + s.calls, 0))} calls</span>}</>}
      actions={<>
        <input className="field" data-search aria-label="Filter statements" placeholder="Words in the statement" value={url.get('q')} onChange={e => url.set({ q: e.target.value })} />
        <select className="field" aria-label="Service" value={service} onChange={e => url.set({ service: e.target.value }, 'push')}><option value="">every service</option>{[...new Set([...(services.data?.services ?? []), ...(service ? [service] : [])])].map(s => <option key={s}>{s}</option>)}</select>
      </>}>
      {answer.error && <Problem error={answer.error} title="The statements could not be read" />}
      {answer.isPending ? <Waiting rows={8} height={30} /> : empty
        ? <Empty title={service ? `No statement of ${service} was seen in this range` : 'No database statement was seen yet'} snippets={[snippets.statements(addresses), snippets.otlp(addresses)]}>Statements come from libsonde's database adapters, with exact counts, or from spans with db.query.text, as OpenTelemetry's instrumentations send them.</Empty>
        : shown.length > 0 ? <Card flush><StatementTable statements={shown} service order={order} onOrder={by => url.set({ sort: by === 'total_seconds' ? null : by })} /></Card>
          : !answer.error && <Empty title="No statement has these words" action={<button type="button" className="btn primary" onClick={() => url.set({ q: null })}>Clear the filter</button>} />}
    </Page>
  );
}
