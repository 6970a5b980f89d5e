// One listener for the whole interface. Keys are ignored while something is being typed.

import { useEffect, useRef } from 'react';

export type Bindings = Record<string, (event: KeyboardEvent) => void>;

export const goTo: Record<string, [string, string]> = {
  o: ['/', 'Overview'], e: ['/explore', 'Explore'], l: ['/logs', 'Logs'], t: ['/traces', 'Traces'],
  q: ['/queries', 'Queries'], a: ['/alerts', 'Alerts'], p: ['/targets', 'Targets'], s: ['/status', 'Status'],
};

export const cheats: [string, string][] = [
  ['/', 'Focus the search of this page'], ['ctrl k', 'Command palette'], ['?', 'This sheet'], ['t', 'Dark or light'],
  ['r', 'Refresh now'], ['z', 'Zoom out'], ['space', 'Pause live refresh'], ['esc', 'Close'],
  ...Object.entries(goTo).map(([key, [, label]]): [string, string] => [`g ${key}`, label]),
  ['[ ]', 'Trace: collapse, expand all'], ['↑ ↓', 'Trace: previous, next span'], ['ctrl enter', 'Explore: run'], ['drag', 'Chart: zoom in'], ['double click', 'Chart: back'],
];

export function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return !!element && (element.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(element.tagName));
}

const layers: { current: Bindings }[] = [];

// "ctrl+k", "g o" (two keys in a second), or a plain key as in KeyboardEvent.key; "space" for the bar.
export function useKeys(bindings: Bindings) {
  const layer = useRef(bindings);
  useEffect(() => { layer.current = bindings; });
  useEffect(() => {
    layers.push(layer);
    if (layers.length === 1) window.addEventListener('keydown', onKey);
    return () => {
      layers.splice(layers.indexOf(layer), 1);
      if (layers.length === 0) window.removeEventListener('keydown', onKey);
    };
  }, []);
}

let first = '';
let timer: ReturnType<typeof setTimeout> | undefined;

function onKey(event: KeyboardEvent) {
  if (event.defaultPrevented) return;
  // What came last counts first: a page's keys before the shell's.
  const find = (key: string) => [...layers].reverse().map(l => l.current[key]).find(Boolean);
  const run = (action: ((e: KeyboardEvent) => void) | undefined) => {
    if (!action) return false;
    event.preventDefault();
    action(event);
    return true;
  };
  const name = event.key === ' ' ? 'space' : event.key;
  if (event.ctrlKey || event.metaKey) { run(find(`ctrl+${name.toLowerCase()}`)); return; }
  if (event.altKey || isTyping(event.target)) return;
  // A dialog is open: its keys are its own.
  if (document.querySelector('[role="dialog"]')) return;
  // A button or link that has the focus keeps its own keys.
  if (name === 'space' && (event.target as HTMLElement).closest?.('button, a, summary, [role=tab], [role=option]')) return;
  const before = first;
  clearTimeout(timer);
  first = '';
  if (before && run(find(`${before} ${name}`))) return;
  if (layers.some(l => Object.keys(l.current).some(k => k.startsWith(`${name} `)))) {
    first = name;
    timer = setTimeout(() => { first = ''; }, 1000);
    return;
  }
  run(find(name));
}
