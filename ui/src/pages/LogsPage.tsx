import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react';
import { logLabels, logLabelValues, queryLogs } from '../api/loki';
import { useAddresses } from '../app/addresses';
import { count } from '../app/figures';
import { Icon } from '../app/icons';
import { isTyping, useKeys } from '../app/keyboard';
import { Chip } from '../app/Mark';
import { Empty, Problem, Waiting } from '../app/messages';
import { Page } from '../app/Page';
import { snippets } from '../app/snippets';
import { useScheme } from '../app/theme';
import { useUrl } from '../app/urlState';
import { levelColor } from '../charts/palette';
import { linesOf, merged, type Level, type LogLine } from '../logs/lines';
import { LogHistogram } from '../logs/LogHistogram';
import { LogLines } from '../logs/LogLines';
import { everything, isMetricQuery, levelsOf, splitQuery, withLevels, withMatcher, withoutMatcher } from '../logs/selector';
import { useTime } from '../time/TimeContext';

const limits = [200, 1000, 5000];
const chips: Level[] = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'];
const kept = 5000;       // lines held while live
const pollMs = 2000;

export default function LogsPage() {
  const addresses = useAddresses();
  const url = useUrl();
  const time = useTime();
  const { scheme } = useScheme();
  const { start, end } = time.range;
  const query = url.get('q') || everything;
  const live = url.get('live') === '1';
  const limit = Number(url.get('limit')) || 1000;
  const [draft, setDraft] = useState(query);
  const [paused, setPaused] = useState(false);
  useEffect(() => setDraft(query), [query]);

  const metric = isMetricQuery(query);
  const answer = useQuery({
    queryKey: ['logs', query, start, end, limit], enabled: !metric, placeholderData: keepPreviousData,
    queryFn: async ({ signal }) => linesOf((await queryLogs(query, start, end, limit, 'backward', signal)).streams),
  });
  const tail = useTail(query, live && !paused && !metric, answer.data);
  const lines = live ? tail.lines : answer.data ?? [];
  const chosen = levelsOf(query);
  const run = (next: string) => url.set({ q: next === everything ? null : next }, 'push');
  const submit = (e: FormEvent) => { e.preventDefault(); run(draft.trim() || everything); };
  useKeys({ space: () => (live ? setPaused(p => !p) : time.togglePause()) });

  const parts = splitQuery(query);
  const filtered = query !== everything;
  const empty = !live && !metric && !!answer.data && lines.length === 0;
  const shownRange = live && lines.length ? { start: Math.min(start, lines[lines.length - 1].t), end: Math.max(end, Date.now() / 1000) } : { start, end };

  return (
    <Page title="Logs" ready={metric || !answer.isPending} empty={empty && !filtered}
      sub={<><span>{lines.length >= limit && !live ? `the newest ${count(limit)} lines` : `${count(lines.length)} lines`}</span></>}
      actions={<>
        <select className="field" aria-label="Most lines to show" value={limit} onChange={e => url.set({ limit: e.target.value === '1000' ? null : e.target.value })}>{limits.map(l => <option key={l} value={l}>{l} lines</option>)}</select>
        {live && <button type="button" className="btn" aria-pressed={paused} onClick={() => setPaused(p => !p)}><Icon name={paused ? 'play' : 'pause'} />{paused ? 'Resume' : 'Pause'}</button>}
        <button type="button" className={live ? 'btn primary' : 'btn'} aria-pressed={live} onClick={() => { setPaused(false); url.set({ live: !live }); }}><Icon name="play" />{live ? 'Live' : 'Go live'}</button>
      </>}>
      <form className="stack" style={{ gap: 8, marginBottom: 12 }} onSubmit={submit}>
        <div className="row">
          <input className="field mono grow" data-search value={draft} onChange={e => setDraft(e.target.value)} onKeyDown={e => { if (e.key === 'Escape') e.currentTarget.blur(); }} spellCheck={false} aria-label="LogQL query" placeholder='{service_name="orders"} |= "timeout"' />
          <button type="submit" className="btn primary" style={{ height: 30 }}>Run</button>
        </div>
        <div className="row wrap">
          {parts?.matchers.map((m, i) => (
            <span key={i} className="chip"><code>{m.label}{m.op}{JSON.stringify(m.value)}</code><button type="button" className="chip-x" aria-label={`Remove ${m.label}`} onClick={() => run(withoutMatcher(query, i))}><Icon name="cross" /></button></span>
          ))}
          <MatcherBuilder onAdd={(label, value) => run(withMatcher(query, { label, op: '=', value }))} />
          <span className="grow" />
          <span className="row" role="group" aria-label="Levels" style={{ gap: 4 }}>
            {chips.map(l => (
              <button key={l} type="button" className="btn level-chip" aria-pressed={chosen.includes(l)} onClick={() => run(withLevels(query, chosen.includes(l) ? chosen.filter(c => c !== l) : [...chosen, l]))}>
                <i className="swatch" style={{ background: levelColor(l, scheme), margin: 0 }} />{l}
              </button>
            ))}
          </span>
        </div>
      </form>

      {metric ? <div className="banner"><span className="grow">This is a metric query: it counts over lines and has no lines of its own. Remove the outer function to see them; Grafana draws it through the Loki API of this server.</span><Chip>LogQL</Chip></div>
        : answer.error && !answer.data ? <Problem error={answer.error} title="The query could not be run" />
          : answer.isPending ? <Waiting rows={12} />
            : (
              <div className="logs-body card">
                {answer.error && <Problem error={answer.error} title="The query could not be run; the lines below are from before" />}
                {!!tail.error && live && <Problem error={tail.error} title="Live mode lost the server; it keeps trying" />}
                {lines.length > 0 && <LogHistogram lines={lines} query={query} live={live} {...shownRange} />}
                {lines.length > 0 ? <LogLines lines={lines} onFilter={(label, value, op) => run(withMatcher(query, { label, op, value }))} />
                  : live ? <p className="body muted" style={{ padding: 16 }}>Waiting for the first line; asked every {pollMs / 1000} seconds.</p>
                    : filtered ? <Empty title="No line matches" action={<button type="button" className="btn primary" onClick={() => run(everything)}>Show every service</button>}>Nothing between {time.instant(start)} and {time.clock(end)} fits this query. Widen the range, or drop a filter.</Empty>
                      : <Empty title="No logs yet" snippets={[snippets.otlp(addresses), snippets.logPush(addresses), snippets.cpp(addresses)]}>Nothing was received in this range. Send a line in one of these ways and press “Go live”.</Empty>}
              </div>
            )}
    </Page>
  );
}

// Asks for what is new since the newest line, every two seconds. A second's overlap catches lines that came late.
function useTail(query: string, on: boolean, first: LogLine[] | undefined) {
  const [lines, setLines] = useState<LogLine[]>([]);
  const [error, setError] = useState<unknown>(null);
  const newest = useRef(0);
  useEffect(() => { setLines(first ?? []); newest.current = first?.[0]?.t ?? 0; }, [query, first]);
  useEffect(() => {
    if (!on) return;
    const control = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const poll = async () => {
      try {
        const now = Date.now() / 1000;
        const answer = await queryLogs(query, Math.max(newest.current - 1, now - 300), now + 1, 1000, 'backward', control.signal);
        const fresh = linesOf(answer.streams);
        if (fresh.length) { newest.current = Math.max(newest.current, fresh[0].t); setLines(old => merged(old, fresh, kept)); }
        setError(null);
      } catch (e) {
        if ((e as Error).name === 'AbortError') return;
        setError(e);
      }
      timer = setTimeout(poll, pollMs);
    };
    void poll();
    return () => { control.abort(); clearTimeout(timer); };
  }, [query, on]);
  return { lines: useMemo(() => lines, [lines]), error };
}

function MatcherBuilder({ onAdd }: { onAdd: (label: string, value: string) => void }) {
  const time = useTime();
  const [label, setLabel] = useState('');
  const { start, end } = time.range;
  const [open, setOpen] = useState(false);
  const labels = useQuery({ queryKey: ['log-labels', start, end], enabled: open, queryFn: ({ signal }) => logLabels(start, end, signal), staleTime: 30_000 });
  const values = useQuery({ queryKey: ['log-values', label, start, end], enabled: !!label, placeholderData: undefined, queryFn: ({ signal }) => logLabelValues(label, start, end, signal), staleTime: 30_000 });
  if (!open) return <button type="button" className="btn quiet" onClick={() => setOpen(true)}><Icon name="plus" />Label</button>;
  return (
    <span className="row" style={{ gap: 4 }} onKeyDown={e => { if (e.key === 'Escape' && isTyping(e.target)) { setOpen(false); setLabel(''); } }}>
      <select className="field" aria-label="Label" autoFocus value={label} onChange={e => setLabel(e.target.value)}>
        <option value="">{labels.isPending ? 'reading labels…' : labels.isError ? 'labels could not be read' : 'label…'}</option>{labels.data?.map(l => <option key={l}>{l}</option>)}
      </select>
      {label && (
        <select className="field" aria-label={`Value of ${label}`} value="" onChange={e => { onAdd(label, e.target.value); setOpen(false); setLabel(''); }}>
          <option value="">{values.isPending ? 'reading values…' : 'value…'}</option>{values.data?.slice(0, 500).map(v => <option key={v}>{v}</option>)}
        </select>
      )}
    </span>
  );
}
