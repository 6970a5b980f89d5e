import { useEffect, useRef, type ReactNode } from 'react';

interface Props {
  title: string;
  heading?: ReactNode;      // when the page's name on the screen is more than its title
  sub?: ReactNode;
  actions?: ReactNode;
  ready: boolean;           // all that the first view shows has arrived, or failed with an error on the page
  empty?: boolean;          // there is nothing to show; the page tells how to fill it
  children: ReactNode;
}

export function Page({ title, heading, sub, actions, ready, empty = false, children }: Props) {
  const main = useRef<HTMLElement>(null);
  useEffect(() => { document.title = `${title} · sonde`; }, [title]);
  return (
    <main id="main" ref={main} tabIndex={-1} data-ready={ready ? 'true' : 'false'} data-empty={ready && empty ? 'true' : undefined} aria-busy={!ready}>
      <div className="page-head">
        <h1>{heading ?? title}</h1>
        {sub && <div className="sub row wrap">{sub}</div>}
        {actions && <div className="actions">{actions}</div>}
      </div>
      {children}
    </main>
  );
}

export function Card({ title, sub, end, children, className = '', flush = false }: { title?: ReactNode; sub?: ReactNode; end?: ReactNode; children: ReactNode; className?: string; flush?: boolean }) {
  return (
    <section className={`card ${className}`}>
      {title && <header><h2>{title}</h2>{sub && <span className="sub">{sub}</span>}{end && <span className="end">{end}</span>}</header>}
      {flush ? children : <div className="body">{children}</div>}
    </section>
  );
}

export function Tile({ label, figure, unit, note, children }: { label: string; figure: ReactNode; unit?: string; note?: ReactNode; children?: ReactNode }) {
  return (
    <>
      <span className="label">{label}</span>
      <span className="figure">{figure}{unit && <small>{unit}</small>}</span>
      {note && <span className="note">{note}</span>}
      {children}
    </>
  );
}
