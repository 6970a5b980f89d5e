// Opens every page of a running server in light and dark, and fails on: console errors, violations of the content
// security policy, requests to other origins, a page without its data, serious accessibility faults, dead keys,
// a broken way from the alert to the statement.
//   node e2e/pages.mjs --url http://127.0.0.1:9090 [--out DIR] [--allow-empty | --expect-empty] [--only NAME]
// --expect-empty is for a server without any data: every page must then say what to paste to fill it.
// Works against sonde itself and against mock/server.mjs.

import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const option = (name, fallback) => { const i = process.argv.indexOf(`--${name}`); return i < 0 ? fallback : process.argv[i + 1]; };
const given = option('url');
if (!given) { console.error('usage: node e2e/pages.mjs --url URL [--out DIR] [--allow-empty] [--only NAME]'); process.exit(2); }
const base = given.replace(/\/$/, '');
const out = option('out');
const only = option('only');
const expectEmpty = process.argv.includes('--expect-empty');
const allowEmpty = expectEmpty || process.argv.includes('--allow-empty');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const failures = [];
const fail = (where, what) => { failures.push(`${where}: ${what}`); console.log(`  ✗ ${what}`); };
if (out) mkdirSync(out, { recursive: true });

const json = async path => { const r = await fetch(`${base}/${path}`); if (!r.ok) throw new Error(`${path}: HTTP ${r.status}`); return r.json(); };
const end = Date.now() / 1000;
const range = `start=${end - 3600}&end=${end}`;
const first = async (path, pick) => { try { return pick(await json(path)); } catch (e) { fail('discovery', e.message); return undefined; } };
const service = await first(`api/sonde/v1/overview?${range}`, a => (a.services.find(s => s.health === 'degraded') ?? a.services.find(s => s.sources.includes('spans')) ?? a.services[0])?.service);
const traceId = await first(`api/sonde/v1/traces?${range}&order=duration&limit=50`, a => a.traces.sort((x, y) => y.duration - x.duration)[0]?.trace_id);
const fingerprint = await first(`api/sonde/v1/queries?${range}&limit=20`, a => a.statements[0]?.fingerprint);
const expr = encodeURIComponent('histogram_quantile(0.95, sum by (le, job) (rate(http_server_request_duration_seconds_bucket[1m])))');

const pages = [
  ['overview', '/'],
  ...(service ? [['service', `/service/${encodeURIComponent(service)}`]] : []),
  ['explore', '/explore'],
  ['explore-graph', `/graph?g0.expr=${expr}&g0.tab=0&g0.range_input=1h&g0.show_exemplars=1`],
  ['explore-table', '/graph?g0.expr=up&g0.tab=1'],
  ['logs', '/logs'],
  ['traces', '/traces'],
  ...(traceId ? [['trace', `/trace/${traceId}`]] : []),
  ['queries', '/queries'],
  ...(fingerprint ? [['statement', `/queries/${fingerprint}`]] : []),
  ['alerts', '/alerts'],
  ['alerts-history', '/alerts?tab=history'],
  ['findings', '/alerts?tab=findings', { mayBeEmpty: true }],
  ['inbox', '/alerts?tab=inbox'],
  ['targets', '/targets'],
  ['status', '/status'],
].filter(([name]) => !only || name === only);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });

async function open(scheme) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, colorScheme: scheme, reducedMotion: 'reduce' });
  await context.addInitScript(() => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', e => window.violations.push(`${e.violatedDirective}: ${e.blockedURI} ${e.sourceFile ?? ''}:${e.lineNumber} ${e.sample ?? ''}`));
  });
  const page = await context.newPage();
  page.faults = [];
  page.on('console', m => { if (m.type() === 'error' || (m.type() === 'warning' && /content security/i.test(m.text()))) page.faults.push(`console: ${m.text()}`); });
  page.on('pageerror', e => page.faults.push(`exception: ${e.message}`));
  page.on('request', r => { const u = r.url(); if (!u.startsWith(new URL(base).origin) && !u.startsWith('data:') && !u.startsWith('blob:')) page.faults.push(`foreign request: ${u}`); });
  return { context, page };
}

const ready = page => page.waitForSelector('main[data-ready="true"]', { timeout: 20000 }).then(() => page.waitForTimeout(350));

async function check(page, name) {
  for (const f of page.faults.splice(0)) fail(name, f);
  for (const v of await page.evaluate(() => window.violations.splice(0))) fail(name, `content security policy: ${v}`);
}

async function audit(page, name) {
  const result = await page.evaluate(async source => {
    // As a script of the page's own origin it would be refused; evaluated through the debugger it is not subject to the policy.
    (0, eval)(source);
    return window.axe.run(document, { resultTypes: ['violations'] });
  }, axe).catch(async e => {
    if (!/eval/i.test(e.message)) throw e;
    const session = await page.context().newCDPSession(page);
    await session.send('Runtime.evaluate', { expression: axe });
    return page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  });
  await page.evaluate(() => window.violations.splice(0));
  page.faults.splice(0);
  for (const v of result.violations.filter(v => ['serious', 'critical'].includes(v.impact))) {
    fail(name, `accessibility, ${v.impact}: ${v.id}: ${v.nodes.slice(0, 3).map(n => `${n.target.join(' ')} ${(n.any[0]?.message ?? n.failureSummary ?? '').slice(0, 160)}`).join(' | ')} (${v.nodes.length})`);
  }
}

for (const scheme of ['light', 'dark']) {
  for (const [name, path, more = {}] of pages) {
    const label = `${name} (${scheme})`;
    console.log(label);
    const { context, page } = await open(scheme);
    try {
      await page.goto(base + path);
      await ready(page);
      if (!allowEmpty && !more.mayBeEmpty && (await page.getAttribute('main', 'data-empty')) !== null) fail(label, 'the page is empty');
      if (expectEmpty && !['explore-graph', 'explore-table', 'status'].includes(name)) {
        if ((await page.getAttribute('main', 'data-empty')) === null) fail(label, 'the page does not say that it is empty');
        const pasted = (await page.locator('main .snippet pre').allInnerTexts()).join('\n');
        if (!more.mayBeEmpty && pasted === '') fail(label, 'the empty page offers nothing to paste');
        if (['overview', 'logs', 'traces', 'targets', 'explore'].includes(name) && !pasted.includes(new URL(base).hostname)) fail(label, 'what is to be pasted does not name this server');
      }
      if ((await page.locator('main .problem').count()) > 0) fail(label, `error on the page: ${await page.locator('main .problem').first().innerText()}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) fail(label, `the page is ${wide} px wider than the window`);
      if (out) await page.screenshot({ path: join(out, `${name}-${scheme}.png`) });
      await check(page, label);
      await audit(page, label);
    } catch (e) {
      fail(label, e.message.split('\n')[0]);
      if (out) await page.screenshot({ path: join(out, `${name}-${scheme}-failed.png`) }).catch(() => {});
      await check(page, label);
    }
    await context.close();
  }
}

async function story(name, run) {
  if (only && only !== name) return;
  console.log(name);
  const { context, page } = await open('dark');
  try {
    await run(page);
    await check(page, name);
  } catch (e) {
    fail(name, e.message.split('\n')[0]);
    if (out) await page.screenshot({ path: join(out, `${name}-failed.png`) }).catch(() => {});
  }
  await context.close();
}

const url = page => new URL(page.url());

await story('from the alert to the statement', async page => {
  await page.goto(`${base}/alerts`);
  await ready(page);
  if (await page.getAttribute('main', 'data-empty') !== null) { if (!allowEmpty) fail('story', 'no alert to begin with'); return; }
  await page.getByRole('button', { name: 'Show evidence' }).first().click();
  const lead = page.locator('.evidence-lead a.primary').first();
  await lead.waitFor({ timeout: 15000 });
  await page.waitForTimeout(600);
  if (out) await page.screenshot({ path: join(out, 'evidence.png'), fullPage: false });
  await audit(page, 'evidence');
  await lead.click();
  await ready(page);
  if (!/\/trace\//.test(page.url())) throw new Error(`the evidence led to ${page.url()}`);
  if (!url(page).searchParams.get('span')) await page.locator('.wf-row').first().click();
  await page.waitForSelector('.span-panel');
  await page.waitForTimeout(900);
  if (out) await page.screenshot({ path: join(out, 'trace-span.png') });
  await audit(page, 'trace with a span');
  const history = page.getByRole('link', { name: 'Statement history' });
  if (await history.count()) {
    await history.click();
    await ready(page);
    if (!/\/queries\//.test(page.url())) throw new Error(`the statement led to ${page.url()}`);
  } else if (!allowEmpty) {
    fail('story', 'the span of the exemplar has no statement history');
  }
});

await story('keyboard', async page => {
  await page.goto(`${base}/`);
  await ready(page);
  for (const [keys, path] of [['e', '/explore'], ['l', '/logs'], ['t', '/traces'], ['q', '/queries'], ['a', '/alerts'], ['p', '/targets'], ['s', '/status'], ['o', '/']]) {
    await page.keyboard.press('g');
    await page.keyboard.press(keys);
    await page.waitForFunction(p => location.pathname.endsWith(p), path, { timeout: 5000 }).catch(() => { throw new Error(`g ${keys} did not lead to ${path}`); });
    await ready(page);
  }
  const before = await page.getAttribute('html', 'data-mantine-color-scheme');
  await page.keyboard.press('t');
  await page.waitForFunction(b => document.documentElement.dataset.mantineColorScheme !== b, before, { timeout: 3000 });
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor({ timeout: 5000 });
  if (out) await page.screenshot({ path: join(out, 'cheats.png') });
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox', { name: 'Search' }).waitFor({ timeout: 5000 });
  await page.keyboard.type('targ');
  if (out) await page.screenshot({ path: join(out, 'palette.png') });
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => location.pathname.endsWith('/targets'));
  await ready(page);
  await page.keyboard.press('/');
  if (!(await page.evaluate(() => document.activeElement?.hasAttribute('data-search')))) throw new Error('/ does not focus the search');
});

await story('time range in the URL', async page => {
  if (!service) return;
  await page.goto(`${base}/service/${encodeURIComponent(service)}?from=now-30m&to=now`);
  await ready(page);
  const plot = page.locator('.u-over').first();
  await plot.waitFor();
  const box = await plot.boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 60);
  await page.waitForTimeout(100);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 60, { steps: 5 });
  await page.mouse.move(box.x + box.width * 0.7, box.y + 60, { steps: 5 });
  if (out) await page.screenshot({ path: join(out, 'zooming.png') });
  await page.mouse.up();
  await page.waitForFunction(() => /^\d+$/.test(new URL(location.href).searchParams.get('from') ?? ''), null, { timeout: 5000 }).catch(() => { throw new Error('dragging over a chart did not write the range'); });
  const zoomed = url(page).searchParams;
  const length = Number(zoomed.get('to')) - Number(zoomed.get('from'));
  if (length < 500 || length > 1000) throw new Error(`dragging over 40 % of 30 minutes gave ${length} s`);
  await ready(page);
  await page.locator('.u-over').first().dblclick({ position: { x: 40, y: 20 } });
  await page.waitForFunction(() => new URL(location.href).searchParams.get('from') === 'now-30m', null, { timeout: 5000 }).catch(() => { throw new Error('double click did not go back'); });
  await page.getByRole('button', { name: /^Time range/ }).click();
  await page.getByRole('button', { name: 'Last 15 minutes' }).waitFor();
  await page.waitForTimeout(200);
  if (out) await page.screenshot({ path: join(out, 'timepicker.png') });
  await page.getByRole('button', { name: 'Last 15 minutes' }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get('from') === 'now-15m');
});

await story('an error is shown where it is', async page => {
  await page.goto(`${base}/explore?g0.expr=${encodeURIComponent('sum(rate(up[1m])')}&g0.tab=0`);
  await page.getByRole('alert').waitFor({ timeout: 15000 });
  await page.waitForTimeout(800);
  if (out) await page.screenshot({ path: join(out, 'syntax-error.png') });
  const text = await page.getByRole('alert').innerText();
  if (!/line 1, column/i.test(text)) throw new Error(`the error does not say where: ${text}`);
  page.faults.splice(0);  // the browser itself logs the 400
});

await story('completion', async page => {
  if (expectEmpty) return;
  const names = (await json('api/v1/label/__name__/values')).data;
  const name = names.find(n => n.length > 8) ?? names[0];
  await page.goto(`${base}/explore`);
  await ready(page);
  await page.locator('.cm-content').click();
  await page.keyboard.type(name.slice(0, Math.max(3, Math.ceil(name.length / 2))), { delay: 30 });
  const option = page.locator('.cm-tooltip-autocomplete li', { hasText: name }).first();
  await option.waitFor({ timeout: 8000 }).catch(() => { throw new Error(`${name} is not offered`); });
  if (out) await page.screenshot({ path: join(out, 'completion.png') });
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+a');
  await page.keyboard.type(name);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+Enter');
  await page.waitForFunction(n => new URL(location.href).searchParams.get('g0.expr') === n, name, { timeout: 5000 }).catch(() => { throw new Error('ctrl+enter does not run the query'); });
  await page.waitForTimeout(1000);
});

await story('live logs', async page => {
  await page.goto(`${base}/logs?live=1`);
  await ready(page);
  await page.waitForTimeout(2500);
  const lines = await page.locator('.log-line').count();
  if (lines === 0 && !allowEmpty) throw new Error('no line in live mode');
  if (lines > 0) {
    await page.locator('.log-line .log-toggle').first().click();
    await page.locator('.log-fields').first().waitFor();
    if (out) await page.screenshot({ path: join(out, 'logs-open.png') });
  }
  await page.locator('main').focus();
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: 'Resume' }).waitFor({ timeout: 3000 });
});

await browser.close();
if (failures.length) {
  console.error(`\n${failures.length} failures:\n${failures.map(f => `- ${f}`).join('\n')}`);
  process.exit(1);
}
console.log(`\nall pages pass${out ? `; pictures in ${out}` : ''}`);
