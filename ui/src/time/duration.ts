// Prometheus durations ("1h30m", "90s", "500ms") and how long a thing took, told briefly.

const unitSeconds: Record<string, number> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

// Seconds, or undefined when the text is no duration.
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim();
  if (!/^(\d+(\.\d+)?(ms|[smhdwy]))+$/.test(trimmed)) return undefined;
  let total = 0;
  for (const [, amount, , unit] of trimmed.matchAll(/(\d+(\.\d+)?)(ms|[smhdwy])/g)) total += Number(amount) * unitSeconds[unit];
  return total;
}

// The shortest exact Prometheus form: 5400 is "1h30m".
export function durationText(seconds: number): string {
  if (seconds === 0) return '0s';
  let rest = Math.round(seconds * 1000);
  let out = '';
  for (const unit of ['w', 'd', 'h', 'm', 's', 'ms']) {
    const size = Math.round(unitSeconds[unit] * 1000);
    const count = Math.floor(rest / size);
    if (count > 0) { out += count + unit; rest -= count * size; }
  }
  return out;
}

// A measured time with three significant digits: "812 ms", "1.24 s", "2 m 03 s".
export function took(seconds: number | undefined | null): string {
  if (seconds === undefined || seconds === null || !Number.isFinite(seconds)) return '–';
  const sign = seconds < 0 ? '−' : '';
  const s = Math.abs(seconds);
  if (s === 0) return '0 s';
  if (s < 999.5e-9) return `${sign}${(s * 1e9).toFixed(0)} ns`;
  if (s < 999.5e-6) return `${sign}${digits(s * 1e6)} µs`;
  if (s < 0.9995) return `${sign}${digits(s * 1e3)} ms`;
  if (s < 59.95) return `${sign}${digits(s)} s`;
  return sign + roughly(s);
}

// A span of waiting: "2 m 03 s", "3 h 20 m", "12 d 4 h".
export function roughly(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${String(s % 60).padStart(2, '0')} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, '0')} m`;
  const hours = Math.floor((s % 86400) / 3600);
  return `${Math.floor(s / 86400)} d${hours ? ` ${hours} h` : ''}`;
}

function digits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  if (value >= 9.995) return value.toFixed(1).replace(/\.0$/, '');
  return value.toFixed(2).replace(/\.?0+$/, '');
}
