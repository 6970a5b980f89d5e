import { Modal } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState, type KeyboardEvent } from 'react';
import { useLocation, useSearch } from 'wouter';
import { sonde } from '../api/sonde';
import { goTo } from './keyboard';
import { paths, withSearch } from './links';

interface Entry { label: string; kind: string; to: string; with?: Record<string, string> }

export default function Palette({ onClose }: { onClose: () => void }) {
  const [, navigate] = useLocation();
  const search = useSearch();
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(0);
  const services = useQuery({ queryKey: ['services'], queryFn: ({ signal }) => sonde.services(signal), staleTime: 10_000 });

  const entries = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    const all: Entry[] = [
      ...(/^[0-9a-f]{16,32}$/.test(wanted) ? [{ label: wanted, kind: 'trace', to: paths.trace(wanted) }] : []),
      ...(services.data?.services ?? []).map(s => ({ label: s, kind: 'service', to: paths.service(s) })),
      ...Object.values(goTo).map(([to, label]) => ({ label, kind: 'page', to })),
      ...['history', 'findings', 'inbox'].map(tab => ({ label: `Alerts: ${tab}`, kind: 'page', to: '/alerts', with: { tab } })),
      ...(wanted ? [
        { label: `Logs with “${text.trim()}”`, kind: 'logs', to: '/logs', with: { q: `{service_name=~".+"} |= ${JSON.stringify(text.trim())}` } },
        { label: `Query ${text.trim()}`, kind: 'explore', to: '/explore', with: { 'g0.expr': text.trim() } },
      ] : []),
    ];
    return all.filter(e => ['logs', 'explore'].includes(e.kind) || e.label.toLowerCase().includes(wanted)).slice(0, 50);
  }, [text, services.data]);

  const open = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    navigate(withSearch(entry.to, entry.with ?? {}, search));
  };
  const onKey = (event: KeyboardEvent) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move) { event.preventDefault(); setChosen(c => (c + move + entries.length) % Math.max(1, entries.length)); }
    if (event.key === 'Enter') open(entries[chosen]);
  };

  return (
    <Modal opened onClose={onClose} withCloseButton={false} padding={0} size="lg" yOffset="12vh" aria-label="Command palette">
      <div className="palette">
        <input autoFocus data-autofocus value={text} placeholder="Service, page, trace id, words in logs, PromQL" role="combobox" aria-expanded="true" aria-controls="palette-list"
          aria-activedescendant={`palette-${chosen}`} aria-label="Search" onChange={e => { setText(e.target.value); setChosen(0); }} onKeyDown={onKey} />
        <ul id="palette-list" role="listbox" aria-label="Matches">
          {entries.map((e, i) => (
            <li key={e.kind + e.label} id={`palette-${i}`} role="option" aria-selected={i === chosen} onMouseMove={() => setChosen(i)} onClick={() => open(e)}>
              <span className="ellipsis">{e.label}</span><span className="kind">{e.kind}</span>
            </li>
          ))}
          {entries.length === 0 && <li className="muted" role="option" aria-selected="false">Nothing by that name</li>}
        </ul>
      </div>
    </Modal>
  );
}
