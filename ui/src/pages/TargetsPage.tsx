import { useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef } from 'react';
import { targets as readTargets, type Target } from '../api/prometheus';
import { useAddresses } from '../app/addresses';
import { count, plural } from '../app/figures';
import { Chip, State } from '../app/Mark';
import { Empty, LabelSet, Problem, Waiting } from '../app/messages';
import { Page } from '../app/Page';
import { snippets } from '../app/snippets';
import { useUrl } from '../app/urlState';
import { roughly, took } from '../time/duration';
import { useTime } from '../time/TimeContext';

const order: Record<string, number> = { down: 0, unknown: 1, up: 2 };

export default function TargetsPage() {
  const addresses = useAddresses();
  const url = useUrl();
  const time = useTime();
  const scroller = useRef<HTMLDivElement>(null);
  const answer = useQuery({ queryKey: ['targets', time.now], queryFn: ({ signal }) => readTargets(signal) });
  const words = url.get('q').toLowerCase();
  const health = url.get('health');
  const all = answer.data?.activeTargets;
  const shown = useMemo(() => (all ?? [])
    .filter(t => (!health || t.health === health) && (!words || matches(t, words)))
    .sort((a, b) => (order[a.health] ?? 1) - (order[b.health] ?? 1) || a.scrapePool.localeCompare(b.scrapePool) || a.scrapeUrl.localeCompare(b.scrapeUrl)), [all, words, health]);
  const rows = useVirtualizer({ count: shown.length, getScrollElement: () => scroller.current, estimateSize: i => (shown[i].lastError ? 58 : 38), overscan: 10, getItemKey: i => shown[i].scrapePool + shown[i].scrapeUrl + i });
  const down = (all ?? []).filter(t => t.health === 'down').length;
  const empty = all?.length === 0;
  return (
    <Page title="Targets" ready={!answer.isPending} empty={empty} sub={all && <><span>{plural(all.length, 'target')}</span>{down > 0 && <Chip tone="bad">{down} down</Chip>}<span>problems first</span></>}
      actions={<>
        <input className="field" data-search aria-label="Filter targets" placeholder="Address, label or error" value={url.get('q')} onChange={e => url.set({ q: e.target.value })} />
        <select className="field" aria-label="Health" value={health} onChange={e => url.set({ health: e.target.value })}><option value="">any health</option><option>down</option><option>unknown</option><option>up</option></select>
      </>}>
      {answer.error && !all && <Problem error={answer.error} title="The targets could not be read" />}
      {answer.isPending ? <Waiting rows={10} height={26} /> : empty ? (
        <Empty title="Nothing is scraped" snippets={[snippets.scrape(addresses), snippets.remoteWrite(addresses), snippets.otlp(addresses)]}>No scrape configuration names a target. Services that push need none.</Empty>
      ) : all && (
        <div className="card">
          <div className="target-row target-head" aria-hidden="true"><span>Health</span><span>Pool</span><span>Address and labels</span><span className="num">Last scrape</span><span className="num">Took</span></div>
          <div ref={scroller} className="rows target-rows" style={{ height: rows.getTotalSize() }} tabIndex={0} role="list" aria-label="Targets">
            <div className="inner" style={{ height: rows.getTotalSize() }} role="presentation">
              {rows.getVirtualItems().map(item => {
                const t = shown[item.index];
                const last = Date.parse(t.lastScrape) / 1000;
                return (
                  <div key={item.key} ref={rows.measureElement} data-index={item.index} className="item target-row" role="listitem" style={{ transform: `translateY(${item.start}px)` }}>
                    <State word={t.health} />
                    <span className="ellipsis">{t.scrapePool}</span>
                    <span className="target-what"><span className="row wrap"><a href={t.scrapeUrl} target="_blank" rel="noreferrer noopener" className="mono">{t.scrapeUrl}</a><LabelSet labels={t.labels} hide={['job', '__name__']} /></span>{t.lastError && <span className="tone-bad small">{t.lastError}</span>}</span>
                    <span className="num muted">{Number.isFinite(last) && last > 0 ? `${roughly(Math.max(0, time.now - last))} ago` : 'never'}</span>
                    <span className="num">{took(t.lastScrapeDuration)}</span>
                  </div>
                );
              })}
            </div>
          </div>
          {shown.length === 0 && <p className="body muted">None of {count(all.length)} targets fits the filter.</p>}
        </div>
      )}
    </Page>
  );
}

const matches = (t: Target, words: string) =>
  `${t.scrapeUrl} ${t.scrapePool} ${t.lastError} ${Object.entries(t.labels).map(([k, v]) => `${k}=${v}`).join(' ')}`.toLowerCase().includes(words);
