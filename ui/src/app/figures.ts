// Numbers written for people: three significant digits, SI prefixes, a dash for what is not there.

export function figure(value: number | undefined | null): string {
  if (value === undefined || value === null || Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '−Inf';
  const a = Math.abs(value);
  const sign = value < 0 ? '−' : '';
  if (a === 0) return '0';
  for (const [size, suffix] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e4, 'k']] as const) {
    if (a >= size) return sign + significant(a / (suffix === 'k' ? 1e3 : size)) + suffix;
  }
  if (a >= 1000) return sign + a.toFixed(0);
  if (a < 0.001) return sign + a.toExponential(1).replace('e-', 'e−');
  return sign + significant(a);
}

function significant(a: number): string {
  if (a >= 99.95) return a.toFixed(0);
  const text = a >= 9.995 ? a.toFixed(1) : a >= 0.995 ? a.toFixed(2) : a.toPrecision(3);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

export const count = (n: number | undefined | null) =>
  n === undefined || n === null ? '–' : Math.abs(n) < 10000 ? String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ' ') : figure(n);

export const perSecond = (n: number | undefined | null) => (n === undefined || n === null ? '–' : `${figure(n)}/s`);

export function percent(ratio: number | undefined | null): string {
  if (ratio === undefined || ratio === null || !Number.isFinite(ratio)) return '–';
  const p = ratio * 100;
  if (p === 0) return '0 %';
  if (p < 0.01) return '<0.01 %';
  return `${p < 0.995 ? p.toFixed(2) : p < 9.95 ? p.toFixed(1) : p.toFixed(0)} %`;
}

export function bytes(n: number | undefined | null): string {
  if (n === undefined || n === null) return '–';
  if (n < 1000) return `${n} B`;
  for (const [size, suffix] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']] as const) {
    if (n >= size) return `${significant(n / size)} ${suffix}`;
  }
  return `${n} B`;
}

export const plural = (n: number, one: string, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
