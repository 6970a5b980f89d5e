// The box beside the crosshair. Written by hand, outside React: it changes with every move of the pointer.

import type uPlot from 'uplot';
import type { ChartSeries, Columns } from './align';

interface Clock { instant: (t: number) => string; zoneLabel: string }

const shown = 10;

export function fillTip(box: HTMLElement, u: uPlot | null, columns: Columns, series: ChartSeries[], write: (v: number) => string, clock: Clock, only: string | null) {
  const index = u?.cursor.idx;
  if (!u || index === null || index === undefined || columns.times[index] === undefined) { box.hidden = true; return; }
  const lines = series
    .map((s, i) => ({ s, v: columns.values[i][index] }))
    .filter(l => l.v !== null && (only === null || only === l.s.name))
    .sort((a, b) => b.v! - a.v!);
  if (lines.length === 0) { box.hidden = true; return; }
  const rows: HTMLElement[] = [element('div', 'when', `${clock.instant(columns.times[index])} ${clock.zoneLabel}`)];
  for (const { s, v } of lines.slice(0, shown)) {
    const row = element('div', 'line', '');
    const name = element('span', '', '');
    const swatch = element('i', '', '');
    swatch.style.cssText = '';
    swatch.style.width = swatch.style.height = '8px';
    swatch.style.flex = 'none';
    swatch.style.borderRadius = '2px';
    swatch.style.background = s.color ?? '';
    name.append(swatch, s.name);
    row.append(name, element('b', '', write(v!)));
    rows.push(row);
  }
  if (lines.length > shown) rows.push(element('div', 'when', `and ${lines.length - shown} more`));
  box.replaceChildren(...rows);
  box.hidden = false;
  const left = u.over.offsetLeft + (u.cursor.left ?? 0);
  const width = box.offsetWidth;
  box.style.left = `${left + width + 24 > u.root.clientWidth ? Math.max(0, left - width - 14) : left + 14}px`;
  box.style.top = '8px';
}

function element(tag: string, className: string, text: string): HTMLElement {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text) e.textContent = text;
  return e;
}
