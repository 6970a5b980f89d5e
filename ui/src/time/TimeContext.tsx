import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from 'react';
import { useLocation } from 'wouter';
import { useUrl } from '../app/urlState';
import { clockText, instantText, shortInstant, zoneText } from './clock';
import { absolute, defaultRange, isRelative, refreshSeconds, resolveRange, usualRefresh, zoomedOut, type Range, type RangeText, type Zone } from './range';

interface Time {
  text: RangeText;
  range: Range;            // resolved anew at every tick
  now: number;             // seconds at the last tick
  relative: boolean;
  refresh: string;
  paused: boolean;
  zone: Zone;
  zoneLabel: string;
  clock: (seconds: number, precision?: 'm' | 's' | 'ms') => string;
  instant: (seconds: number, precision?: 'm' | 's' | 'ms') => string;
  short: (seconds: number) => string;
  setRange: (text: RangeText) => void;
  zoom: (range: Range) => void;
  zoomOut: () => void;
  back: () => void;        // undoes the last zoom, or zooms out
  setRefresh: (value: string) => void;
  setZone: (zone: Zone) => void;
  togglePause: () => void;
  tick: () => void;
}

const Context = createContext<Time | null>(null);

export function useTime(): Time {
  const time = useContext(Context);
  if (!time) throw new Error('useTime outside TimeProvider');
  return time;
}

export function TimeProvider({ children }: { children: ReactNode }) {
  const { get, set } = useUrl();
  const [now, setNow] = useState(() => Date.now() / 1000);
  const [paused, setPaused] = useState(false);
  const zooms = useRef<RangeText[]>([]);
  const from = get('from') || defaultRange.from;
  const to = get('to') || defaultRange.to;
  const [path] = useLocation();
  const usual = usualRefresh(path, { from, to });
  const refresh = get('refresh') || usual;
  const zone: Zone = get('tz') === 'local' ? 'local' : 'utc';
  const tick = useCallback(() => setNow(Date.now() / 1000), []);

  useEffect(() => {
    const seconds = refreshSeconds(refresh);
    if (seconds === 0 || paused) return;
    const timer = setInterval(() => { if (!document.hidden) tick(); }, seconds * 1000);
    return () => clearInterval(timer);
  }, [refresh, paused, tick]);

  const value = useMemo<Time>(() => {
    const text = { from, to };
    const range = resolveRange(text, now, zone);
    const setRange = (next: RangeText) => {
      setNow(Date.now() / 1000);
      const standard = next.from === defaultRange.from && next.to === defaultRange.to;
      set(standard ? { from: null, to: null } : { from: next.from, to: next.to }, 'push');
    };
    const zoom = (next: Range) => { zooms.current.push(text); setRange(absolute(next)); };
    const zoomOut = () => { zooms.current.push(text); setRange(absolute(zoomedOut(range, Date.now() / 1000))); };
    return {
      text, range, now, relative: isRelative(text), refresh, paused, zone, zoneLabel: zoneText(zone),
      clock: (s, p) => clockText(s, zone, p), instant: (s, p) => instantText(s, zone, p), short: s => shortInstant(s, zone, now),
      setRange, zoom, zoomOut,
      back: () => { const last = zooms.current.pop(); if (last) setRange(last); else zoomOut(); },
      setRefresh: v => set({ refresh: v === usual ? null : v }),
      setZone: z => set({ tz: z === 'utc' ? null : z }),
      togglePause: () => setPaused(p => !p),
      tick,
    };
  }, [from, to, refresh, usual, zone, now, paused, set, tick]);

  return <Context.Provider value={value}>{children}</Context.Provider>;
}
