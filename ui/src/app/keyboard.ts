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

// "ctrl+k", "g o" (two keys in a second), or a plain key as in KeyboardEvent.key; "space" for the bar.
export function useKeys(bindings: Bindings) {
  const current = useRef(bindings);
  useEffect(() => { current.current = bindings; });
  useEffect(() => {
    let first = '';
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented) return;
      const name = event.key === ' ' ? 'space' : event.key;
      if (event.ctrlKey || event.metaKey) {
        const run = current.current[`ctrl+${name.toLowerCase()}`];
        if (run) { event.preventDefault(); run(event); }
        return;
      }
      if (event.altKey || isTyping(event.target)) return;
      // A button or link that has the focus keeps its own keys.
      if (name === 'space' && (event.target as HTMLElement).closest?.('button, a, [role=tab], [role=option]')) return;
      const pair = first && current.current[`${first} ${name}`];
      const starts = !first && Object.keys(current.current).some(k => k.startsWith(`${name} `));
      clearTimeout(timer);
      first = '';
      if (pair) { event.preventDefault(); pair(event); return; }
      if (starts) { first = name; timer = setTimeout(() => { first = ''; }, 1000); return; }
      const run = current.current[name];
      if (run) { event.preventDefault(); run(event); }
    };
    window.addEventListener('keydown', onKey);
    return () => { clearTimeout(timer); window.removeEventListener('keydown', onKey); };
  }, []);
}
