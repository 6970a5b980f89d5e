// The built interface keeps its budgets and promises. Sizes are of gzip -9, in kB of 1000 bytes.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';

const dist = join(import.meta.dirname, '../dist');
const assets = readdirSync(join(dist, 'assets'));
const text = (name: string) => readFileSync(join(dist, name), 'utf8');
const size = (name: string) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).length / 1000;
const index = text('index.html');

// What a chunk imports without being asked to, through all levels.
function reach(names: string[]): Set<string> {
  const found = new Set<string>();
  const pending = [...names];
  while (pending.length) {
    const name = pending.pop()!;
    if (found.has(name)) continue;
    found.add(name);
    if (!name.endsWith('.js')) continue;
    for (const [, other] of text(`assets/${name}`).matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) pending.push(other);
  }
  return found;
}
const total = (names: Iterable<string>) => [...names].reduce((sum, n) => sum + size(`assets/${n}`), 0);
const initial = reach([...index.matchAll(/assets\/([^"']+\.(?:js|css))/g)].map(m => m[1]));

describe('budgets', () => {
  test('what the first page loads is at most 230 kB', () => {
    expect(total(initial) + size('index.html')).toBeLessThanOrEqual(230);
  });
  test('no route needs more than 420 kB', () => {
    const routes = assets.filter(a => /^\w+Page-.*\.js$/.test(a));
    expect(routes.length).toBeGreaterThanOrEqual(9);
    const entry = [...initial].find(n => n.startsWith('index-') && n.endsWith('.js'))!;
    for (const route of routes) {
      const css = [...text(`assets/${entry}`).matchAll(/assets\/([^"']+\.css)/g)].map(m => m[1]);
      expect(total(new Set([...initial, ...reach([route]), ...css])), route).toBeLessThanOrEqual(420);
    }
  });
  test('everything together is at most 700 kB', () => {
    expect(total(assets)).toBeLessThanOrEqual(700);
  });
  test('the editor is not part of the first page', () => {
    expect([...initial].some(n => n.startsWith('editor-'))).toBe(false);
  });
});

describe('promises to the server', () => {
  test('index.html has each placeholder once, the base before anything that it governs', () => {
    expect(index.split('__SONDE_NONCE__')).toHaveLength(2);
    expect(index.split('__SONDE_BASE__')).toHaveLength(2);
    expect(index.indexOf('<base')).toBeLessThan(index.search(/(src|href)="\.\//));
  });
  test('there is no inline script or style, and every address is relative', () => {
    expect(index).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>/);
    expect(index).not.toMatch(/<style|\sstyle=/);
    expect(index).not.toMatch(/(?:src|href)="(?:\/|https?:)/);
  });
  test('assets carry their hash, so that they may be cached for ever', () => {
    for (const a of assets) expect(a).toMatch(/-[\w-]{8}\.(js|css)$/);
  });
  test('no source map, no path of a machine, and the licences are there', () => {
    for (const a of assets) expect(text(`assets/${a}`), a).not.toMatch(/sourceMappingURL|\/home\/|\/root\/|\/work\/|\/tmp\//);
    expect(text('licenses.md')).toContain('react');
  });
  test('styles load nothing from elsewhere', () => {
    for (const a of assets.filter(n => n.endsWith('.css'))) expect(text(`assets/${a}`)).not.toMatch(/@import|url\(\s*["']?https?:/);
  });
});
