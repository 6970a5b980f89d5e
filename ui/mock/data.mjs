// A small shop seen by sonde: web → orders → stock with SQLite. Twenty minutes before `now` the stock statement turns
// slow. Everything derives from the clock and a fixed seed, so that two requests agree with each other.

export const services = ['web', 'orders', 'stock'];
const faultAge = 1200;
const hex = (seed, digits) => { let out = ''; let x = seed >>> 0; while (out.length < digits) { x = Math.imul(x ^ (x >>> 15), 2246822519) + 3266489917 >>> 0; out += x.toString(16).padStart(8, '0'); } return out.slice(0, digits); };
export const noise = seed => { let x = Math.imul(seed | 0, 2654435761) >>> 0; x ^= x >>> 13; x = Math.imul(x, 2246822519) >>> 0; return ((x ^ (x >>> 16)) >>> 0) / 4294967296; };
export const now = () => Date.now() / 1000;
export const faulty = (t, at = now()) => t > at - faultAge;
const textHash = s => [...s].reduce((h, c) => Math.imul(h, 31) + c.charCodeAt(0) | 0, 7);
const daily = t => 1 + 0.25 * Math.sin(t / 1800) + 0.12 * Math.sin(t / 311);

export const shape = {
  rate: (service, t) => ({ web: 210, orders: 150, stock: 52 }[service] ?? 20) * daily(t) * (0.94 + 0.12 * noise(t + textHash(service))),
  errors: (service, t) => service === 'stock' ? 0 : (service === 'orders' && faulty(t) ? 0.021 : 0.0018) * (0.6 + 0.8 * noise(t * 3 + textHash(service))),
  quantile: (service, q, t) => {
    const base = { web: 0.021, orders: 0.016, stock: 0.0052 }[service] ?? 0.01;
    const slow = faulty(t) ? { web: 9, orders: 26, stock: 60 }[service] ?? 1 : 1;
    const tail = q >= 0.99 ? 4.1 : q >= 0.95 ? 2.2 : 1;
    return base * tail * (q < 0.9 ? 1 + (slow - 1) * 0.06 : slow) * (0.85 + 0.3 * noise(t + q * 100 + textHash(service)));
  },
};

export const grid = (start, end, step) => { const out = []; for (let t = Math.ceil(start / step) * step; t <= end; t += step) out.push(t); return out; };
export const line = (start, end, step, f) => grid(start, end, step).map(t => [t, f(t)]);

export const statements = at => [
  { fingerprint: '9f3a61c07be2d418', text: 'SELECT id, sku, quantity, reserved FROM stock WHERE sku LIKE ? ORDER BY updated_at', system: 'sqlite', service: 'stock', calls: 9120, errors: 0, rate: 2.53, mean: 0.286, p50: 0.0061, p95: 0.731, max: 1.42, total_seconds: 2608, sampled: false, last_trace_id: traceId(at, 3) },
  { fingerprint: '1c77be20aa91f3d0', text: 'INSERT INTO orders (customer, total, created_at) VALUES (?, ?, ?)', system: 'sqlite', service: 'orders', calls: 48210, errors: 12, rate: 13.4, mean: 0.0041, p50: 0.0032, p95: 0.0098, max: 0.081, total_seconds: 197.6, sampled: false },
  { fingerprint: '5be0aa8819d7c2f6', text: 'UPDATE stock SET reserved = reserved + ? WHERE sku = ?', system: 'sqlite', service: 'stock', calls: 48190, errors: 41, rate: 13.4, mean: 0.0022, p50: 0.0018, p95: 0.0061, max: 0.044, total_seconds: 106, sampled: false },
  { fingerprint: 'aa08c3d5f1e94b27', text: 'SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = o.customer WHERE o.id IN (?)', system: 'postgresql', service: 'orders', calls: 20110, errors: 0, rate: 5.6, mean: 0.0035, p50: 0.0029, p95: 0.0081, total_seconds: 70.4, sampled: true, last_trace_id: traceId(at, 5) },
  { fingerprint: '77d1e0b2c64f9a35', text: 'SELECT name, value FROM settings', system: 'sqlite', service: 'web', calls: 720, errors: 0, rate: 0.2, mean: 0.0004, p50: 0.0003, p95: 0.0009, total_seconds: 0.29, sampled: false },
];

// Trace ids are numbered by ten-second slots, so that a list and a page speak of the same trace.
export const traceId = (at, back) => { const slot = Math.floor(at / 10) - back; return `51${slot.toString(16).padStart(10, '0')}${hex(slot, 20)}`; };
export const slotOf = id => parseInt(id.slice(2, 12), 16);

export function trace(id) {
  const slot = slotOf(id);
  if (!Number.isFinite(slot) || !id.startsWith('51')) return undefined;
  const start = slot * 10 + noise(slot) * 8;
  const slow = faulty(start);
  const failed = slow && noise(slot + 5) < 0.3;
  const q = slow ? 0.42 + noise(slot + 1) * 0.6 : 0.003 + noise(slot + 1) * 0.004;
  const resource = s => ({ 'service.name': s, 'service.version': '1.4.2', 'service.instance.id': `${s}-1`, 'host.name': 'demo', 'telemetry.sdk.name': 'sonde' });
  const spans = [];
  const add = (n, parent, service, name, kind, from, duration, more = {}) => {
    const span = { span_id: hex(slot * 31 + n, 16), parent_id: parent, service, name, kind, start: from, duration, status: more.status ?? 'unset', status_message: more.message ?? '', attributes: more.attributes ?? {}, events: more.events ?? [], resource: resource(service) };
    spans.push(span);
    return span.span_id;
  };
  const tail = 0.012;
  const total = q + 0.034 + tail;
  const err = failed ? { status: 'error', message: 'timeout calling stock after 500 ms' } : {};
  const root = add(1, '', 'web', 'POST /checkout', 'server', 0, total, { ...err, attributes: { 'http.request.method': 'POST', 'http.route': '/checkout', 'http.response.status_code': failed ? 504 : 200, 'url.path': '/checkout', 'user_agent.original': 'shop-load/1.0' } });
  add(2, root, 'web', 'SELECT settings', 'client', 0.0009, 0.0004, { attributes: { 'db.system.name': 'sqlite', 'db.query.text': 'SELECT name, value FROM settings', 'sonde.db.fingerprint': '77d1e0b2c64f9a35' } });
  add(3, root, 'web', 'render cart', 'internal', 0.0018, 0.0031);
  const call = add(4, root, 'web', 'POST', 'client', 0.0056, q + 0.026, { ...err, attributes: { 'http.request.method': 'POST', 'server.address': 'orders', 'http.response.status_code': failed ? 504 : 200 } });
  const orders = add(5, call, 'orders', 'POST /orders', 'server', 0.0068, q + 0.0235, { ...err, attributes: { 'http.request.method': 'POST', 'http.route': '/orders', 'http.response.status_code': failed ? 504 : 201 } });
  add(6, orders, 'orders', 'validate', 'internal', 0.0071, 0.0012);
  add(7, orders, 'orders', 'SELECT customers', 'client', 0.0086, 0.0031, { attributes: { 'db.system.name': 'postgresql', 'db.query.text': statements(start)[3].text, 'sonde.db.fingerprint': 'aa08c3d5f1e94b27' } });
  const reserve = add(8, orders, 'orders', 'POST', 'client', 0.0121, q + 0.0098, { ...err, attributes: { 'http.request.method': 'POST', 'server.address': 'stock' } });
  const stock = add(9, reserve, 'stock', 'POST /reserve', 'server', 0.0131, q + 0.0078, { attributes: { 'http.request.method': 'POST', 'http.route': '/reserve', 'http.response.status_code': 200 } });
  const db = add(10, stock, 'stock', 'SELECT stock', 'client', 0.0139, q, { attributes: { 'db.system.name': 'sqlite', 'db.namespace': 'stock.db', 'db.query.text': statements(start)[0].text, 'db.response.returned_rows': 4212, 'sonde.db.fingerprint': '9f3a61c07be2d418' }, events: slow ? [{ t: 0.0139 + q * 0.8, name: 'db.full_scan', attributes: { table: 'stock', rows: 81204 } }] : [] });
  add(11, stock, 'stock', 'UPDATE stock', 'client', 0.0145 + q, 0.0024, { attributes: { 'db.system.name': 'sqlite', 'db.query.text': statements(start)[2].text, 'sonde.db.fingerprint': '5be0aa8819d7c2f6' } });
  add(12, stock, 'stock', 'publish reserved', 'producer', 0.0171 + q, 0.0031);
  add(13, orders, 'orders', 'INSERT orders', 'client', 0.0224 + q, 0.0051, { attributes: { 'db.system.name': 'sqlite', 'db.query.text': statements(start)[1].text, 'sonde.db.fingerprint': '1c77be20aa91f3d0' } });
  const line2 = (t, level, service, message, span, fields = {}) => ({ t: start + t, level, service, message, span_id: span, fields: { 'code.file.path': `${service}/main.cc`, ...fields } });
  const logs = [
    line2(0.001, 'info', 'web', 'checkout begins cart=8213', root), line2(0.0072, 'debug', 'orders', 'validating 3 items', orders), line2(0.0135, 'info', 'stock', 'reserve sku=AX-204 quantity=1', stock),
    ...(slow ? [line2(0.0139 + q, 'warn', 'stock', `slow statement: ${Math.round(q * 1000)} ms, 81204 rows scanned`, db, { fingerprint: '9f3a61c07be2d418' })] : []),
    ...(failed ? [line2(q + 0.03, 'error', 'orders', 'timeout calling stock after 500 ms', orders)] : [line2(q + 0.029, 'info', 'orders', 'order placed order_id=99182 total=42.90', orders)]),
    line2(total - 0.002, failed ? 'error' : 'info', 'web', failed ? 'checkout failed status=504' : 'checkout done status=200', root),
  ];
  return { trace_id: id, start, duration: total, services, spans, logs, db_span: db, failed };
}

export function traceRow(id) {
  const t = trace(id);
  return { trace_id: id, root_service: 'web', root_name: 'POST /checkout', start: t.start, duration: t.duration, span_count: t.spans.length, error_count: t.spans.filter(s => s.status === 'error').length, services: services.map(s => [s, t.spans.filter(x => x.service === s).length]) };
}

const texts = [
  ['info', 'web', s => `GET /products 200 ${(4 + noise(s) * 20).toFixed(1)} ms`], ['info', 'orders', s => `order placed order_id=${90000 + (s % 9999)} total=${(noise(s) * 90).toFixed(2)}`],
  ['info', 'stock', s => `reserve sku=AX-${200 + (s % 40)} quantity=1`], ['debug', 'orders', s => `validating ${1 + (s % 5)} items`], ['info', 'web', s => `POST /checkout 200 ${(20 + noise(s) * 40).toFixed(1)} ms`],
  ['warn', 'stock', s => `slow statement: ${Math.round(400 + noise(s) * 500)} ms, 81204 rows scanned`], ['error', 'orders', () => 'timeout calling stock after 500 ms'], ['error', 'orders', s => `bad sku "${hex(s, 6)}"`], ['warn', 'web', s => `retrying orders, attempt ${1 + (s % 3)}`],
];

export function logLines(start, end, limit, wanted) {
  const out = [];
  const spacing = Math.max(0.4, (end - start) / 1500);
  for (let i = Math.floor(end / spacing); i * spacing >= start && out.length < limit; i--) {
    const t = i * spacing;
    const r = noise(i);
    const slow = faulty(t);
    const [level, service, text] = texts[slow && r < 0.14 ? 5 : slow && r < 0.22 ? 6 : r < 0.226 ? 7 : r < 0.24 ? 8 : Math.floor(noise(i + 9) * 5)];
    if (wanted && !wanted(level, service)) continue;
    const id = traceId(t, 0);
    out.push({ t, level, service, text: text(i), trace_id: r < 0.6 ? id : undefined });
  }
  return out;
}
