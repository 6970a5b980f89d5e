// What a page says when there is nothing, not yet anything, or something went wrong.

import { useState, type ReactNode } from 'react';
import { ApiError } from '../api/http';
import { Icon } from './icons';

export function Problem({ error, title }: { error: unknown; title: string }) {
  const known = error instanceof ApiError ? error : undefined;
  return (
    <div className="problem" role="alert">
      <Icon name="warning" />
      <div className="stack" style={{ gap: 2 }}>
        <h3>{title}</h3>
        <p>{known ? known.what : (error as Error)?.message ?? String(error)}</p>
        {known && <p className="small muted"><code>{known.where}</code>{known.status > 0 && ` · HTTP ${known.status}`}{known.code && ` · ${known.code}`}</p>}
        <p className="small">{known ? known.remedy : 'Reload the page. If it stays, this is a fault of the interface itself.'}</p>
      </div>
    </div>
  );
}

export function Waiting({ rows = 4, height = 18 }: { rows?: number; height?: number }) {
  return (
    <div className="stack" style={{ padding: 12, gap: 10 }} role="status" aria-label="loading">
      {Array.from({ length: rows }, (_, i) => <div key={i} className="skeleton" style={{ height, width: `${96 - ((i * 17) % 30)}%` }} />)}
    </div>
  );
}

export function Copy({ text, label = 'Copy', quiet = true }: { text: string; label?: string; quiet?: boolean }) {
  const [done, setDone] = useState<'' | 'Copied' | 'Select by hand'>('');
  const copy = async () => {
    try {
      await copyText(text);
      setDone('Copied');
    } catch {
      setDone('Select by hand');
    }
    setTimeout(() => setDone(''), 1600);
  };
  return <button type="button" className={quiet ? 'btn quiet' : 'btn'} onClick={copy}><Icon name={done === 'Copied' ? 'check' : 'copy'} /><span aria-live="polite">{done || label}</span></button>;
}

// navigator.clipboard exists only on https and localhost; elsewhere an off-screen field does it.
async function copyText(text: string) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'only-readers';
  document.body.append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  if (!copied) throw new Error('copying was refused');
}

export function Snippet({ title, code }: { title: string; code: string }) {
  return (
    <div className="snippet">
      <header><span>{title}</span><Copy text={code} /></header>
      <pre tabIndex={0}>{code}</pre>
    </div>
  );
}

export function Empty({ title, children, snippets = [], action }: { title: string; children?: ReactNode; snippets?: { title: string; code: string }[]; action?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action && <div className="row">{action}</div>}
      {snippets.map(s => <Snippet key={s.title} {...s} />)}
    </div>
  );
}

export function LabelSet({ labels, hide = [] }: { labels: Record<string, unknown>; hide?: string[] }) {
  const shown = Object.entries(labels).filter(([name]) => !hide.includes(name));
  return <span className="label-set">{shown.map(([name, value]) => <span key={name}><b>{name}=</b>{String(value)}</span>)}</span>;
}
