import { Menu, Popover } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { Icon } from '../app/icons';
import { parseInstant, presets, rangeLabel, refreshChoices, type Zone } from './range';
import { useTime } from './TimeContext';

export function TimePicker() {
  const time = useTime();
  const [open, setOpen] = useState(false);
  const label = rangeLabel(time.text, time.short, time.now, time.zone);
  const live = time.refresh !== 'off';
  return (
    <div className="row" style={{ gap: 4 }}>
      <Popover opened={open} onChange={setOpen} position="bottom-end" trapFocus withRoles={false}>
        <Popover.Target>
          <button type="button" className="btn" style={{ height: 30 }} onClick={() => setOpen(o => !o)} aria-expanded={open} aria-haspopup="dialog">
            <Icon name="clock" /><span className="only-readers">Time range: </span><span>{label}</span> <span className="muted">{time.zoneLabel}</span><Icon name="down" />
          </button>
        </Popover.Target>
        <Popover.Dropdown p={0}>
          {open && <Panel onDone={() => setOpen(false)} />}
        </Popover.Dropdown>
      </Popover>
      <button type="button" className="btn square quiet" onClick={time.zoomOut} aria-label="Zoom out" title="Zoom out (z)"><Icon name="zoomOut" /></button>
      <button type="button" className="btn square quiet" onClick={time.tick} aria-label="Refresh now" title="Refresh now (r)"><Icon name="refresh" /></button>
      <Menu position="bottom-end">
        <Menu.Target>
          <button type="button" className="btn quiet" style={{ height: 30 }} title="Live refresh (space pauses)">
            <Icon name={live && !time.paused ? 'play' : 'pause'} />{live ? (time.paused ? 'paused' : `live ${time.refresh}`) : 'live off'}
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          {refreshChoices.map(c => <Menu.Item key={c.value} onClick={() => time.setRefresh(c.value)}>{c.value === time.refresh ? '✓ ' : ''}{c.label}</Menu.Item>)}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}

function Panel({ onDone }: { onDone: () => void }) {
  const time = useTime();
  const [from, setFrom] = useState(time.relative ? time.text.from : time.instant(time.range.start));
  const [to, setTo] = useState(time.relative ? time.text.to : time.instant(time.range.end));
  const now = Date.now() / 1000;
  const start = parseInstant(from, now, time.zone);
  const end = parseInstant(to, now, time.zone);
  const fault = start === undefined ? 'From: write now-2h, or 2026-01-31 14:05' : end === undefined ? 'To: write now, or 2026-01-31 14:05' : start >= end ? 'From must lie before to' : '';
  const apply = (event: FormEvent) => {
    event.preventDefault();
    if (fault || start === undefined || end === undefined) return;
    // Relative text stays relative; written dates become epoch seconds, which no change of zone can shift.
    const keep = (text: string, value: number) => (text.trim().startsWith('now') ? text.trim() : String(Math.round(value)));
    time.setRange({ from: keep(from, start), to: keep(to, end) });
    onDone();
  };
  return (
    <div className="time-panel">
      <ul aria-label="Relative ranges">
        {presets.map(p => (
          <li key={p.from}>
            <button type="button" aria-pressed={time.text.from === p.from && time.text.to === 'now'} onClick={() => { time.setRange({ from: p.from, to: 'now' }); onDone(); }}>{p.label}</button>
          </li>
        ))}
      </ul>
      <form className="stack" onSubmit={apply}>
        <label className="labelled">From<input className="field mono" data-autofocus value={from} onChange={e => setFrom(e.target.value)} spellCheck={false} /></label>
        <label className="labelled">To<input className="field mono" value={to} onChange={e => setTo(e.target.value)} spellCheck={false} /></label>
        <p className="small" aria-live="polite" style={{ color: fault ? 'var(--bad)' : 'var(--muted)', minHeight: 18 }}>{fault || `${time.instant(start!)} – ${time.clock(end!)} ${time.zoneLabel}`}</p>
        <button type="submit" className="btn primary" disabled={!!fault}>Apply</button>
        <div className="row" role="group" aria-label="Time zone">
          {(['utc', 'local'] as Zone[]).map(z => <button key={z} type="button" className="btn grow" aria-pressed={time.zone === z} onClick={() => time.setZone(z)}>{z === 'utc' ? 'UTC' : 'Local'}</button>)}
        </div>
      </form>
    </div>
  );
}
