// A stand-in for the sonde server: serves ui/dist as the real one does (base href, nonce, content security policy)
// and answers every endpoint the interface uses with plausible data.
//   node mock/server.mjs [--port 9190] [--prefix /sonde] [--empty]

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { grid, line, logLines, now, services, shape, statements, trace, traceId, traceRow } from './data.mjs';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.md': 'text/markdown; charset=utf-8' };
const pages = /^\/(service\/[^/]+|explore|graph|query|logs|traces|trace\/[^/]+|queries(\/[^/]+)?|alerts|targets|status)?$/;

class Refusal extends Error { constructor(status, body, type = 'application/json') { super(body); Object.assign(this, { status, body, type }); } }
const invalid = text => new Refusal(400, JSON.stringify({ status: 'error', errorType: 'bad_data', error: text }));

export function mock({ prefix = '', empty = false } = {}) {
  const started = now() - 4210;
  const read = new Set();
  const since = (parameters, fallback = 3600) => ({ start: Number(parameters.get('start') ?? now() - fallback), end: Number(parameters.get('end') ?? now()) });

  const row = (service, start, end) => {
    const step = Math.max(15, (end - start) / 40);
    return {
      service, sources: ['metrics', 'spans', 'logs'], rate: shape.rate(service, end), error_ratio: shape.errors(service, end), p50: shape.quantile(service, 0.5, end), p95: shape.quantile(service, 0.95, end),
      spark: { rate: line(start, end, step, t => shape.rate(service, t)), errors: line(start, end, step, t => shape.errors(service, t)), p95: line(start, end, step, t => shape.quantile(service, 0.95, t)) },
      instances: { up: service === 'stock' ? 1 : 2, down: service === 'stock' ? 1 : 0 }, health: { web: 'ok', orders: 'degraded', stock: 'degraded' }[service] ?? 'unknown', checks: { ok: 3, failing: service === 'stock' ? 1 : 0 },
      alerts: { firing: service === 'orders' ? 1 : 0, pending: service === 'stock' ? 1 : 0 }, version: '1.4.2',
    };
  };

  const slowExpr = 'histogram_quantile(0.95, sum by (le, service) (rate(http_server_request_duration_seconds_bucket[1m]))) > 0.5';
  const alerts = () => {
    const t = now();
    return [
      { name: 'OrdersSlow', group: 'shop', state: 'firing', since: t - 1130, fired_at: t - 1070, value: shape.quantile('orders', 0.95, t), labels: { alertname: 'OrdersSlow', service: 'orders', severity: 'page' }, annotations: { summary: 'p95 of orders is above 500 ms', runbook_url: 'https://example.org/runbooks/orders-slow' }, for_seconds: 60, expr: slowExpr, threshold: 0.5, file: '/etc/sonde/rules/shop.yml', line: 12 },
      { name: 'StockErrors', group: 'shop', state: 'pending', since: t - 38, value: 0.0213, labels: { alertname: 'StockErrors', service: 'stock', severity: 'ticket', route: '/reserve' }, annotations: { summary: 'More than 2 % of the reservations fail' }, for_seconds: 120, remaining_seconds: 82, expr: 'sum by (service, route) (rate(http_server_errors_ratio[5m])) > 0.02', threshold: 0.02, file: '/etc/sonde/rules/shop.yml', line: 31 },
    ];
  };

  const messages = () => {
    const t = now();
    const [slow] = alerts();
    const one = (id, age, status, deliveries) => ({ id, t: t - age, receiver: 'oncall', status, title: `[${status === 'firing' ? 'FIRING:1' : 'RESOLVED'}] OrdersSlow (orders page)`, body: `Alert: OrdersSlow\nSummary: p95 of orders is above 500 ms\nValue: 0.91 s (threshold 0.5 s)\nService: orders\n\nEvidence: http://localhost:9090/alerts?evidence=1\nSlowest statement: SELECT … FROM stock WHERE sku LIKE ? (p95 731 ms)`, labels: slow.labels, annotations: slow.annotations, alerts: [{ labels: slow.labels, annotations: slow.annotations, state: status, starts_at: t - age - 60, ...(status === 'resolved' ? { ends_at: t - age } : {}) }], read: read.has(String(id)) || id !== 3, deliveries });
    return [one(3, 1065, 'firing', [{ t: t - 1064, receiver: 'oncall/webhook', ok: true }, { t: t - 1063, receiver: 'oncall/slack', ok: false, error: 'slack.com: 503 Service Unavailable, retried 3 times' }]), one(2, 9100, 'resolved', [{ t: t - 9099, receiver: 'oncall/webhook', ok: true }]), one(1, 9900, 'firing', [{ t: t - 9899, receiver: 'oncall/webhook', ok: true }])];
  };

  const history = () => {
    const t = now();
    const slow = { alertname: 'OrdersSlow', service: 'orders', severity: 'page' };
    const stock = { alertname: 'StockErrors', service: 'stock', severity: 'ticket', route: '/reserve' };
    return [
      { t: t - 38, group: 'shop', rule: 'StockErrors', labels: stock, from: 'inactive', to: 'pending', value: 0.0213 }, { t: t - 1070, group: 'shop', rule: 'OrdersSlow', labels: slow, from: 'pending', to: 'firing', value: 0.91 },
      { t: t - 1130, group: 'shop', rule: 'OrdersSlow', labels: slow, from: 'inactive', to: 'pending', value: 0.72 }, { t: t - 2200, group: 'probes', rule: 'ProbeFailing', labels: { alertname: 'ProbeFailing', instance: 'stock:8082', severity: 'page' }, from: 'firing', to: 'inactive', value: 0 },
      { t: t - 2500, group: 'probes', rule: 'ProbeFailing', labels: { alertname: 'ProbeFailing', instance: 'stock:8082', severity: 'page' }, from: 'pending', to: 'firing', value: 1 }, { t: t - 2560, group: 'probes', rule: 'ProbeFailing', labels: { alertname: 'ProbeFailing', instance: 'stock:8082', severity: 'page' }, from: 'inactive', to: 'pending', value: 1 },
    ];
  };

  const traceIds = (start, end, limit) => {
    const out = [];
    const last = Math.min(end, now() - 5);
    const every = Math.max(1, Math.floor((last - start) / 10 / limit));
    for (let back = 0; out.length < limit && last - back * 10 > start; back += every) out.push(traceId(last, back));
    return out;
  };

  // PromQL by its looks: good enough to draw with.
  const evaluate = (query, t) => {
    const unclosed = [...query].reduce((n, c) => n + (c === '(') - (c === ')'), 0);
    if (unclosed !== 0) throw invalid(`1:${query.length + 1}: parse error: ${unclosed > 0 ? 'unclosed left parenthesis' : 'unexpected right parenthesis'}`);
    if (!query.trim()) throw invalid('1:1: parse error: no expression found in input');
    if (empty) return [];
    const named = services.filter(s => query.includes(`"${s}"`));
    const grouped = /by\s*\([^)]*service/.test(query) || !/\bsum\b|histogram_quantile/.test(query);
    const list = named.length ? named : grouped ? services : ['web'];
    const q = /histogram_quantile\(([\d.]+)/.exec(query);
    const f = q ? s => shape.quantile(s, Number(q[1]), t) : /5\.\.|error/.test(query) ? s => shape.errors(s, t) : /_bytes/.test(query) ? (s, i) => 4e7 * (i + 1) * (1 + 0.02 * Math.sin(t / 700)) : /\bup\b/.test(query) ? () => 1 : /absent|nothing/.test(query) ? null : s => shape.rate(s, t);
    if (!f) return [];
    const name = /^\s*([a-z_:][\w:]*)\s*(\{.*\})?\s*$/.exec(query)?.[1];
    return list.map((s, i) => ({ metric: { ...(name ? { __name__: name, instance: `${s}:8080`, job: 'shop' } : {}), ...(grouped || named.length === 0 && list.length > 1 ? { service: s } : {}) }, value: f(s, i) }))
      .filter(x => !/>\s*0\.5\s*$/.test(query) || x.value > 0.5);
  };
  const prom = data => ({ status: 'success', data });
  const written = v => (Number.isFinite(v) ? String(v) : v > 0 ? '+Inf' : 'NaN');

  const metricNames = ['http_server_active_requests', 'http_server_request_duration_seconds_bucket', 'http_server_request_duration_seconds_count', 'http_server_request_duration_seconds_sum', 'db_client_operation_duration_seconds_bucket', 'db_client_operation_duration_seconds_count', 'db_client_operation_duration_seconds_sum', 'process_cpu_seconds_total', 'process_open_fds', 'process_resident_memory_bytes', 'sonde_health_check_status', 'sonde_log_records_total', 'sonde_log_dropped_total', 'orders_total', 'stock_reserved_items', 'up', 'scrape_duration_seconds', 'scrape_samples_scraped'];

  const own = {
    'GET status': () => {
      const t = now();
      return { version: '0.1.0', revision: '31c5db5a9e77', build_date: '2026-11-22', started, now: t, synthetic_until: empty ? undefined : t - 2700, data_dir: './sonde-demo', retention_seconds: 1296000, listen: [{ address: '127.0.0.1:9090', kind: 'http' }, { address: '127.0.0.1:4317', kind: 'otlp-grpc' }, { address: '127.0.0.1:4318', kind: 'otlp-http' }], head: empty ? { series: 0, samples: 0, min_time: 0, max_time: 0 } : { series: 4183, samples: 1284733, min_time: t - 3700, max_time: t - 2 }, wal_bytes: empty ? 0 : 12412331, logs: empty ? { records: 0, bytes: 0 } : { records: 184211, bytes: 6512331 }, spans: empty ? { records: 0, bytes: 0 } : { records: 912833, bytes: 23733110 }, memory_bytes: 86211331, warnings: empty ? [] : ['Authentication is off: whoever reaches this address may read everything.'], auth: { enabled: false, user: 'anonymous' }, demo: !empty };
    },
    'GET overview': p => { const { start, end } = since(p); return empty ? { services: [], alerts: { firing: 0, pending: 0 }, targets: { up: 0, down: 0 }, ingest: { samples_per_second: 0, logs_per_second: 0, spans_per_second: 0 }, findings: 0 } : { services: services.map(s => row(s, start, end)), alerts: { firing: 1, pending: 1 }, targets: { up: 5, down: 1 }, ingest: { samples_per_second: 9120, logs_per_second: 412, spans_per_second: 1830 }, findings: 2 }; },
    'GET services': () => ({ services: empty ? [] : services }),
    'GET queries': p => { const { end } = since(p); const list = empty ? [] : statements(end).filter(s => !p.get('service') || s.service === p.get('service')); return { statements: list.slice(0, Number(p.get('limit') ?? 100)), truncated: false }; },
    'GET alerts': () => ({ alerts: empty ? [] : alerts() }),
    'GET alerts/history': p => { const { start, end } = since(p); const all = (empty ? [] : history()).filter(x => x.t >= start && x.t <= end); return { transitions: all.slice(0, Number(p.get('limit') ?? 500)), truncated: false }; },
    'GET evidence': p => {
      const labels = JSON.parse(p.get('labels') ?? '{}');
      const t = Number(p.get('t'));
      const alert = alerts().find(a => a.name === labels.alertname);
      const id = traceId(t, -3);
      const full = trace(id);
      const service = labels.service ?? 'orders';
      return { alert, expr: alert?.expr ?? slowExpr, start: t - 1800, end: Math.min(now(), t + 900), service, exemplar: alert?.name === 'OrdersSlow' ? { trace_id: id, span_id: full.db_span, value: full.duration, t: full.start, series: { service, le: '1' } } : undefined, traces: traceIds(t - 60, t + 120, 8).map(traceRow).sort((a, b) => b.duration - a.duration), statements: statements(t).slice(0, 3), logs_query: `{service_name="${service}"} | detected_level=~"warn|error"` };
    },
    'GET inbox': () => { const list = empty ? [] : messages(); return { messages: list, unread: list.filter(m => !m.read).length }; },
    'GET findings': () => ({ findings: empty ? [] : [
      { group: 'shop', rule: 'StockEmpty', file: '/etc/sonde/rules/shop.yml', line: 44, class: 'absent-series', severity: 'error', message: 'No series named stock_items has ever been stored: this rule can never fire. stock_reserved_items exists.', expr: 'stock_items{sku=~"AX-.*"} == 0', rewrite: 'stock_reserved_items{sku=~"AX-.*"} == 0', since: now() - 4000 },
      { group: 'probes', rule: 'CertificateExpires', file: '/etc/sonde/rules/probes.yml', line: 8, class: 'rate-of-gauge', severity: 'warning', message: 'rate() over the gauge probe_ssl_earliest_cert_expiry is always about zero; compare it with time() instead.', expr: 'rate(probe_ssl_earliest_cert_expiry[1h]) < 604800', rewrite: 'probe_ssl_earliest_cert_expiry - time() < 604800', since: now() - 4000 },
    ] }),
    'GET traces': p => {
      const { start, end } = since(p);
      let rows = empty ? [] : traceIds(start, end, Math.min(1000, Number(p.get('limit') ?? 50))).map(traceRow);
      if (p.get('errors')) rows = rows.filter(r => r.error_count);
      if (p.get('min_duration')) rows = rows.filter(r => r.duration >= Number(p.get('min_duration')));
      if (p.get('max_duration')) rows = rows.filter(r => r.duration <= Number(p.get('max_duration')));
      if (p.get('operation')) rows = rows.filter(r => r.root_name.includes(p.get('operation')));
      return { traces: rows };
    },
  };

  function ownAnswer(method, path, p) {
    const plain = own[`${method} ${path}`];
    if (plain) return plain(p);
    const [kind, key, verb] = path.split('/').map(decodeURIComponent);
    const { start, end } = since(p);
    const missing = new Refusal(404, JSON.stringify({ error: `no such ${kind}: ${key}`, code: 'not_found' }));
    if (kind === 'services' && key) {
      if (!services.includes(key)) throw missing;
      return {
        service: row(key, start, end),
        instances: [{ instance: `${key}:8080`, job: 'shop', up: true, version: '1.4.2', start_time: now() - 11000 }, ...(key === 'stock' ? [{ instance: 'stock:8082', job: 'shop', up: false }] : [{ instance: `${key}:8081`, job: 'shop', up: true, version: '1.4.2', start_time: now() - 9000 }])],
        checks: [{ group: 'ready', check: 'database', status: 'ok', since: now() - 11000, instance: `${key}:8080` }, { group: 'ready', check: 'queue', status: key === 'stock' ? 'failing' : 'ok', since: now() - 1100, instance: `${key}:8080` }, { group: 'degraded', check: 'disk', status: 'ok', since: now() - 11000, instance: `${key}:8080` }],
        endpoints: [{ method: 'POST', route: '/orders', rate: 41, error_ratio: 0.021, p50: 0.031, p95: 0.91, p99: 1.4 }, { method: 'GET', route: '/orders/{id}', rate: 88, error_ratio: 0.0004, p50: 0.004, p95: 0.011, p99: 0.02 }, { method: 'GET', route: '/healthz', rate: 0.2, error_ratio: 0, p50: 0.0002, p95: 0.0004, p99: 0.0005 }],
        callers: key === 'web' ? [] : [services[services.indexOf(key) - 1]], callees: key === 'stock' ? [] : [services[services.indexOf(key) + 1]],
      };
    }
    if (kind === 'queries' && key) {
      const statement = statements(end).find(s => s.fingerprint === key);
      if (!statement) throw missing;
      const step = Math.max(15, (end - start) / 120);
      const slow = key === '9f3a61c07be2d418';
      const f = q => t => (slow ? shape.quantile('stock', q, t) * (q > 0.9 ? 1 : 0.8) : statement.p50 * (q > 0.9 ? 2.4 : 1) * (0.9 + 0.2 * Math.sin(t / 90)));
      return { statement, series: { calls: line(start, end, step, t => statement.rate * (1 + 0.2 * Math.sin(t / 200))), errors: line(start, end, step, () => statement.errors / 3600), p50: line(start, end, step, f(0.5)), p95: line(start, end, step, f(0.95)) }, traces: traceIds(Math.max(start, end - 3000), end, 40).map(id => { const t = trace(id); const span = t.spans.find(s => s.attributes['sonde.db.fingerprint'] === key) ?? t.spans[9]; return { trace_id: id, span_id: span.span_id, t: t.start + span.start, duration: span.duration, service: span.service, error: false }; }) };
    }
    if (kind === 'traces' && key) {
      const t = empty ? undefined : trace(key);
      if (!t || t.start > now() + 20) throw missing;
      const { db_span, failed, ...body } = t;
      return body;
    }
    if (method === 'POST' && kind === 'inbox' && verb === 'read') { read.add(key); return {}; }
    throw new Refusal(404, JSON.stringify({ error: `no such path: ${path}`, code: 'not_found' }));
  }

  function prometheusAnswer(path, p) {
    if (path === 'query_range') {
      const query = p.get('query') ?? '';
      const [start, end, step] = ['start', 'end', 'step'].map(k => Number(p.get(k)));
      if (!(step > 0)) throw invalid('invalid parameter "step": zero or negative query resolution step widths are not accepted');
      const bySeries = new Map();
      evaluate(query, end);
      for (const t of grid(start, end, step)) for (const { metric, value } of evaluate(query, t)) {
        const key = JSON.stringify(metric);
        if (!bySeries.has(key)) bySeries.set(key, { metric, values: [] });
        bySeries.get(key).values.push([t, written(value)]);
      }
      return prom({ resultType: 'matrix', result: [...bySeries.values()] });
    }
    if (path === 'query') { const t = Number(p.get('time') ?? now()); return prom({ resultType: 'vector', result: evaluate(p.get('query') ?? '', t).map(s => ({ metric: s.metric, value: [t, written(s.value)] })) }); }
    if (path === 'query_exemplars') {
      const { start, end } = since(p);
      const service = services.find(s => p.get('query')?.includes(`"${s}"`)) ?? 'web';
      return prom(empty ? [] : [{ seriesLabels: { __name__: 'http_server_request_duration_seconds_bucket', service }, exemplars: traceIds(start, end, 60).map(id => { const t = trace(id); const s = t.spans.find(x => x.service === service && x.kind === 'server') ?? t.spans[0]; return { labels: { trace_id: id, span_id: s.span_id }, value: String(s.duration), timestamp: t.start + s.start }; }) }]);
    }
    if (path === 'series') { const service = services.find(s => p.getAll('match[]').some(m => m.includes(`"${s}"`))); return prom(!service || empty ? [] : ['200', '500'].map(code => ({ __name__: 'http_server_request_duration_seconds_bucket', service, job: 'shop', instance: `${service}:8080`, le: '0.5', http_route: '/orders', http_response_status_code: code }))); }
    if (path === 'labels') return prom(empty ? [] : ['__name__', 'http_response_status_code', 'http_route', 'instance', 'job', 'le', 'service']);
    const label = /^label\/([^/]+)\/values$/.exec(path);
    if (label) return prom(empty ? [] : label[1] === '__name__' ? metricNames : label[1] === 'service' ? services : ['shop']);
    if (path === 'metadata') return prom(Object.fromEntries(metricNames.map(n => [n, [{ type: n.endsWith('_total') ? 'counter' : n.includes('_seconds') ? 'histogram' : 'gauge', help: `${n.replaceAll('_', ' ')}.`, unit: '' }]])));
    if (path === 'targets') {
      const t = new Date(Date.now() - 2200).toISOString();
      const one = (pool, address, health, error = '') => ({ discoveredLabels: { __address__: address }, labels: { instance: address, job: pool, env: 'demo' }, scrapePool: pool, scrapeUrl: `http://${address}/metrics`, globalUrl: `http://${address}/metrics`, lastError: error, lastScrape: t, lastScrapeDuration: 0.0021 + address.length / 9000, health, scrapeInterval: '5s', scrapeTimeout: '4s' });
      return prom({ activeTargets: empty ? [] : [one('shop', 'web:8080', 'up'), one('shop', 'web:8081', 'up'), one('shop', 'orders:8080', 'up'), one('shop', 'orders:8081', 'up'), one('shop', 'stock:8080', 'up'), one('shop', 'stock:8082', 'down', 'Get "http://stock:8082/metrics": connection refused'), ...Array.from({ length: 240 }, (_, i) => one('fleet', `10.0.${Math.floor(i / 40)}.${10 + (i % 40)}:9100`, i === 77 ? 'down' : 'up', i === 77 ? 'server returned HTTP status 500 Internal Server Error' : ''))], droppedTargets: [], droppedTargetCounts: {} });
    }
    if (path === 'rules') return prom({ groups: [] });
    if (path === 'status/buildinfo') return prom({ version: '3.5.0', revision: '31c5db5', branch: 'main', buildUser: '', buildDate: '20261122', goVersion: '' });
    if (path === 'status/flags') return prom({ 'config.file': 'prometheus.yml', 'sonde.config.file': 'sonde.yml', 'storage.tsdb.path': './sonde-demo', 'storage.tsdb.retention.time': '15d', 'web.listen-address': '127.0.0.1:9090', 'web.enable-lifecycle': 'false', 'web.external-url': '', 'query.timeout': '2m', 'query.max-concurrency': '20', 'log.level': 'info' });
    if (path === 'status/config') return prom({ yaml: 'global:\n  scrape_interval: 5s\n  evaluation_interval: 5s\nrule_files:\n  - rules/*.yml\nscrape_configs:\n  - job_name: shop\n    static_configs:\n      - targets: [web:8080, orders:8080, stock:8080]\n' });
    if (path === 'status/runtimeinfo') return prom({ startTime: new Date(started * 1000).toISOString(), CWD: '/srv/shop', reloadConfigSuccess: true, lastConfigTime: new Date(started * 1000).toISOString(), corruptionCount: 0, storageRetention: '15d' });
    if (path === 'status/tsdb') return prom({ headStats: { numSeries: 4183, chunkCount: 8211, minTime: Date.now() - 3.7e6, maxTime: Date.now() }, seriesCountByMetricName: metricNames.slice(0, 10).map((name, i) => ({ name, value: 1400 - i * 133 })), labelValueCountByLabelName: [{ name: '__name__', value: 182 }, { name: 'http_route', value: 41 }, { name: 'le', value: 15 }, { name: 'instance', value: 7 }], memoryInBytesByLabelName: [], seriesCountByLabelValuePair: [{ name: 'job=shop', value: 3900 }, { name: 'service=orders', value: 1410 }, { name: 'service=web', value: 1322 }] });
    throw new Refusal(404, JSON.stringify({ status: 'error', errorType: 'not_found', error: `no such path: ${path}` }));
  }

  function lokiAnswer(path, p) {
    if (path === 'labels') return { status: 'success', data: empty ? [] : ['service_name', 'level', 'env'] };
    if (/^label\//.test(path)) return { status: 'success', data: empty ? [] : path.includes('service_name') ? services : path.includes('level') ? ['debug', 'info', 'warn', 'error'] : ['demo'] };
    if (path === 'query_range') {
      const query = p.get('query') ?? '';
      if (!/^\s*(\{[^}]*\}|\w[\w\s]*\()/.test(query)) throw new Refusal(400, 'parse error at line 1, col 1: syntax error: unexpected IDENTIFIER', 'text/plain');
      const counting = /count_over_time\([\s\S]*\[(\d+)s\]/.exec(query);
      const seconds = k => Number(p.get(k).slice(0, -9)) + Number(`0.${p.get(k).slice(-9)}`);
      const wantedService = /service_name="([^"]+)"/.exec(query)?.[1];
      const wantedLevels = /detected_level=~"([^"]+)"/.exec(query)?.[1].split('|');
      const word = /\|=\s*"([^"]+)"/.exec(query)?.[1];
      const lines = empty ? [] : logLines(seconds('start'), Math.min(seconds('end'), now()), Number(p.get('limit') ?? 100), (level, service) => (!wantedService || wantedService === service) && (!wantedLevels || wantedLevels.includes(level))).filter(l => !word || l.text.includes(word));
      if (counting) {
        const step = Number(counting[1]);
        const start = seconds('start');
        const byLevel = new Map();
        for (const l of logLines(start, seconds('end'), 1e6, (level, service) => (!wantedService || wantedService === service) && (!wantedLevels || wantedLevels.includes(level)))) {
          const values = byLevel.get(l.level) ?? byLevel.set(l.level, new Map()).get(l.level);
          const t = start + Math.ceil((l.t - start) / step) * step;
          values.set(t, (values.get(t) ?? 0) + 1);
        }
        return { status: 'success', data: { resultType: 'matrix', result: empty ? [] : [...byLevel].map(([level, values]) => ({ metric: { detected_level: level }, values: [...values].sort((a, b) => a[0] - b[0]).map(([t, v]) => [t, String(v)]) })), stats: {} } };
      }
      const streams = new Map();
      for (const l of lines) {
        const stream = { service_name: l.service, detected_level: l.level, env: 'demo', ...(l.trace_id ? { trace_id: l.trace_id } : {}) };
        const key = JSON.stringify(stream);
        if (!streams.has(key)) streams.set(key, { stream, values: [] });
        streams.get(key).values.push([`${Math.floor(l.t)}${String(Math.floor((l.t % 1) * 1e9)).padStart(9, '0')}`, l.text]);
      }
      return { status: 'success', data: { resultType: 'streams', result: [...streams.values()], stats: {} } };
    }
    throw new Refusal(404, 'not found', 'text/plain');
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, 'http://mock');
    const send = (status, body, headers) => { response.writeHead(status, { 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'same-origin', ...headers }); response.end(body); };
    try {
      if (!url.pathname.startsWith(prefix)) throw new Refusal(404, 'outside the prefix', 'text/plain');
      const path = url.pathname.slice(prefix.length) || '/';
      const parameters = url.searchParams;
      if (request.method === 'POST') {
        let body = '';
        for await (const chunk of request) body += chunk;
        if (/urlencoded/.test(request.headers['content-type'] ?? '')) for (const [k, v] of new URLSearchParams(body)) parameters.append(k, v);
      }
      const json = value => send(200, JSON.stringify(value), { 'Content-Type': 'application/json' });
      if (path.startsWith('/api/sonde/v1/')) return json(ownAnswer(request.method, path.slice(14), parameters));
      if (path.startsWith('/api/v1/')) return json(prometheusAnswer(path.slice(8), parameters));
      if (path.startsWith('/loki/api/v1/')) return json(lokiAnswer(path.slice(13), parameters));
      if (pages.test(path)) {
        const nonce = randomBytes(16).toString('base64');
        const html = (await readFile(join(dist, 'index.html'), 'utf8')).replaceAll('__SONDE_NONCE__', nonce).replaceAll('__SONDE_BASE__', `${prefix}/`);
        return send(200, html, { 'Content-Type': types['.html'], 'Cache-Control': 'no-store', 'Content-Security-Policy': `default-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; worker-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'` });
      }
      const file = join(dist, normalize(path));
      if (!file.startsWith(dist)) throw new Refusal(404, 'not found', 'text/plain');
      const body = await readFile(file).catch(() => { throw new Refusal(404, 'not found', 'text/plain'); });
      send(200, body, { 'Content-Type': types[extname(file)] ?? 'application/octet-stream', 'Cache-Control': 'public, max-age=31536000, immutable' });
    } catch (e) {
      if (e instanceof Refusal) send(e.status, e.body, { 'Content-Type': e.type });
      else { console.error(e); send(500, JSON.stringify({ error: String(e), code: 'internal' }), { 'Content-Type': 'application/json' }); }
    }
  });
  return server;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, fallback) => { const i = process.argv.indexOf(`--${name}`); return i < 0 ? fallback : process.argv[i + 1]; };
  const port = Number(option('port', '9190'));
  const prefix = option('prefix', '');
  mock({ prefix, empty: process.argv.includes('--empty') }).listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${port}${prefix}/`));
}
