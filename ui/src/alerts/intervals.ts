// Changes of state become stretches of time per alert.

import type { Labels, Transition } from '../api/sonde';
import { alertKey } from './key';

export interface Stretch { state: 'pending' | 'firing'; start: number; end: number }
export interface Lane { key: string; rule: string; labels: Labels; parts: Stretch[] }

const active = (state: string): state is Stretch['state'] => state === 'pending' || state === 'firing';

export function intervals(transitions: Transition[], start: number, end: number): Lane[] {
  const lanes = new Map<string, Lane & { open?: { state: Stretch['state']; since: number } }>();
  for (const x of [...transitions].sort((a, b) => a.t - b.t)) {
    const key = alertKey(x.rule, x.labels);
    let lane = lanes.get(key);
    if (!lane) {
      lane = { key, rule: x.rule, labels: x.labels, parts: [] };
      // It was in the state it left, since before the range.
      if (active(x.from)) lane.open = { state: x.from, since: start };
      lanes.set(key, lane);
    }
    if (lane.open) lane.parts.push({ state: lane.open.state, start: Math.max(start, lane.open.since), end: Math.min(end, x.t) });
    lane.open = active(x.to) ? { state: x.to, since: x.t } : undefined;
  }
  for (const lane of lanes.values()) {
    if (lane.open) lane.parts.push({ state: lane.open.state, start: Math.max(start, lane.open.since), end });
    lane.open = undefined;
  }
  return [...lanes.values()].map(({ key, rule, labels, parts }) => ({ key, rule, labels, parts: parts.filter(p => p.end >= p.start) }));
}
