// The g0.expr=…&g0.tab=… form of links that Prometheus writes and reads; Explore keeps its state in the same form.

import { durationText, parseDuration } from '../time/duration';

export interface Panel { expr: string; tab: 'graph' | 'table'; step?: number; exemplars: boolean; stacked: boolean }

export const blank: Panel = { expr: '', tab: 'graph', exemplars: false, stacked: false };

export function readPanels(parameters: URLSearchParams): Panel[] {
  const panels: Panel[] = [];
  for (let i = 0; i < 20; i++) {
    const get = (name: string) => parameters.get(`g${i}.${name}`);
    if (get('expr') === null) break;
    const tab = get('tab');
    const step = get('step') ?? get('step_input') ?? '';
    const seconds = /^\d+(\.\d+)?$/.test(step) ? Number(step) : parseDuration(step);
    panels.push({
      expr: get('expr') ?? '',
      tab: tab === '1' || tab === 'table' ? 'table' : 'graph',
      step: seconds && seconds > 0 ? seconds : undefined,
      exemplars: get('show_exemplars') === '1',
      stacked: get('stacked') === '1' || get('display_mode') === 'stacked',
    });
  }
  return panels;
}

export function writePanels(panels: Panel[]): [string, string][] {
  return panels.flatMap((p, i) => {
    const out: [string, string][] = [[`g${i}.expr`, p.expr], [`g${i}.tab`, p.tab === 'table' ? '1' : '0']];
    if (p.step) out.push([`g${i}.step_input`, durationText(p.step)]);
    if (p.exemplars) out.push([`g${i}.show_exemplars`, '1']);
    if (p.stacked) out.push([`g${i}.display_mode`, 'stacked']);
    return out;
  });
}

// A Prometheus link, with its own range per panel, becomes ours, with one range for the page.
export function graphToExplore(search: string): string {
  const given = new URLSearchParams(search);
  const out = new URLSearchParams(writePanels(readPanels(given)));
  for (const name of ['from', 'to', 'refresh', 'tz']) {
    const value = given.get(name);
    if (value) out.set(name, value);
  }
  const back = given.get('g0.range_input');
  const seconds = back ? parseDuration(back) : undefined;
  const end = given.get('g0.end_input');
  const endSeconds = end ? Date.parse(`${end.replace(' ', 'T')}Z`) / 1000 : NaN;
  if (seconds && !out.has('from')) {
    if (Number.isFinite(endSeconds)) {
      out.set('from', String(Math.round(endSeconds - seconds)));
      out.set('to', String(Math.round(endSeconds)));
    } else {
      out.set('from', `now-${back}`);
      out.set('to', 'now');
    }
  }
  return out.toString();
}

// The same panels as a link that a Prometheus would open too.
export function prometheusLink(panels: Panel[], range: { start: number; end: number }): string {
  const out = new URLSearchParams();
  const end = new Date(range.end * 1000).toISOString().slice(0, 19).replace('T', ' ');
  writePanels(panels).forEach(([name, value]) => out.set(name, value));
  panels.forEach((_, i) => {
    out.set(`g${i}.range_input`, durationText(Math.round(range.end - range.start)));
    out.set(`g${i}.end_input`, end);
  });
  return `graph?${out}`;
}
