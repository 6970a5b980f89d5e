// One search parameter as state. Writing replaces the history entry unless the change is worth a step back.

import { useCallback } from 'react';
import { useLocation, useSearch } from 'wouter';

export type Patch = Record<string, string | number | boolean | undefined | null>;

export function patched(search: string, patch: Patch): string {
  const out = new URLSearchParams(search);
  for (const [name, value] of Object.entries(patch)) {
    if (value === undefined || value === null || value === '' || value === false) out.delete(name);
    else out.set(name, value === true ? '1' : String(value));
  }
  return out.toString();
}

export function useUrl() {
  const [path, navigate] = useLocation();
  const search = useSearch();
  const set = useCallback((patch: Patch, how: 'push' | 'replace' = 'replace') => {
    // The address bar, not the render's snapshot: two writes in one tick must both stand.
    const text = patched(window.location.search, patch);
    navigate(path + (text ? `?${text}` : ''), { replace: how === 'replace' });
  }, [path, navigate]);
  const parameters = new URLSearchParams(search);
  return { path, search, get: (name: string) => parameters.get(name) ?? '', all: parameters, set, navigate };
}
