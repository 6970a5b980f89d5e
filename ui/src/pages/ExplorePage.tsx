import { useQuery } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import { labelValues } from '../api/prometheus';
import { useAddresses } from '../app/addresses';
import { Icon } from '../app/icons';
import { sticky } from '../app/links';
import { Copy, Empty, Problem } from '../app/messages';
import { Card, Page } from '../app/Page';
import { serverUrl } from '../app/place';
import { snippets } from '../app/snippets';
import { SyntheticNote } from '../app/SyntheticNote';
import { useUrl } from '../app/urlState';
import { blank, prometheusLink, readPanels, writePanels, type Panel } from '../query/graphLink';
import { readHistory, remember } from '../query/history';
import { QueryPanel } from '../query/QueryPanel';
import { useTime } from '../time/TimeContext';

export default function ExplorePage() {
  const addresses = useAddresses();
  const url = useUrl();
  const time = useTime();
  const { start, end } = time.range;
  const [history, setHistory] = useState(readHistory);
  const [settled, setSettled] = useState<Record<number, boolean>>({});
  const read = readPanels(url.all);
  const panels = read.length ? read : [blank];
  const names = useQuery({ queryKey: ['names', start, end], queryFn: ({ signal }) => labelValues('__name__', [], start, end, 2000, signal), staleTime: 60_000 });

  const write = (next: Panel[], how: 'push' | 'replace' = 'replace') => {
    const out = new URLSearchParams(writePanels(next));
    for (const name of sticky) { const v = new URLSearchParams(window.location.search).get(name); if (v) out.set(name, v); }
    url.navigate(`/explore?${out}`, { replace: how === 'replace' });
  };
  const change = (i: number, patch: Partial<Panel>, how: 'push' | 'replace' = 'replace') => write(panels.map((p, j) => (i === j ? { ...p, ...patch } : p)), how);
  const run = (i: number, expr: string) => { if (expr) setHistory(remember(expr)); change(i, { expr }, 'push'); };
  const onSettled = useCallback((i: number, yes: boolean) => setSettled(s => (s[i] === yes ? s : { ...s, [i]: yes })), []);
  const asked = panels.some(p => p.expr);
  const empty = !asked && names.data?.length === 0;

  return (
    <Page title="Explore" ready={!names.isPending && panels.every((p, i) => !p.expr || settled[i])} empty={empty} sub={<SyntheticNote />}
      actions={<>
        <Copy text={window.location.href} label="Copy link" quiet={false} />
        <Copy text={serverUrl(prometheusLink(panels, time.range))} label="Copy as Prometheus link" quiet={false} />
        <button type="button" className="btn" onClick={() => write([...panels, blank])}><Icon name="plus" />Query</button>
      </>}>
      <div className="stack">
        {panels.map((p, i) => <Slot key={i} panel={p} index={i} only={panels.length === 1} history={history} onChange={patch => change(i, patch)} onRun={expr => run(i, expr)} onRemove={() => write(panels.filter((_, j) => j !== i))} onSettled={onSettled} />)}
        {empty && <Empty title="No metric is stored yet" snippets={[snippets.scrape(addresses), snippets.remoteWrite(addresses), snippets.cpp(addresses)]} />}
        {!asked && names.error && <Problem error={names.error} title="The names of metrics could not be read" />}
        {!asked && names.data && names.data.length > 0 && <Names names={names.data} onPick={name => run(0, /_total$|_count$/.test(name) ? `rate(${name}[1m])` : /_bucket$/.test(name) ? `histogram_quantile(0.95, sum by (le) (rate(${name}[1m])))` : name)} />}
      </div>
    </Page>
  );
}

type SlotProps = Omit<Parameters<typeof QueryPanel>[0], 'onSettled'> & { onSettled: (index: number, yes: boolean) => void };

function Slot({ onSettled, index, ...rest }: SlotProps) {
  const report = useCallback((yes: boolean) => onSettled(index, yes), [onSettled, index]);
  return <QueryPanel {...rest} index={index} onSettled={report} />;
}

function Names({ names, onPick }: { names: string[]; onPick: (name: string) => void }) {
  const [words, setWords] = useState('');
  const found = names.filter(n => n.includes(words.trim().toLowerCase()));
  return (
    <Card title="Metrics" sub={`${found.length} of ${names.length}${names.length >= 2000 ? '+' : ''}; a click asks for one in the usual way`} flush end={<input className="field" style={{ height: 26 }} aria-label="Filter metrics" placeholder="Filter" value={words} onChange={e => setWords(e.target.value)} />}>
      <ul className="names">{found.slice(0, 300).map(n => <li key={n}><button type="button" onClick={() => onPick(n)}>{n}</button></li>)}</ul>
    </Card>
  );
}
