// Series colours. After Okabe and Ito's palette, told apart under the common colour blindnesses; shifted in
// lightness so that each keeps 3:1 against its surface.

const light = ['#0072b2', '#d55e00', '#00855f', '#b5528a', '#8a6d00', '#5b4bc4', '#3d7ea6', '#a33b2a', '#4f7a28', '#6b6f7a'];
const dark = ['#5ab4f0', '#ff9248', '#35c99b', '#e49ac2', '#e3c14a', '#a99bff', '#8fcbe8', '#f28b7b', '#a4cf6d', '#a9b0bd'];

export type Scheme = 'light' | 'dark';

export function seriesColor(index: number, scheme: Scheme): string {
  const colors = scheme === 'dark' ? dark : light;
  return colors[index % colors.length];
}

// The same name has the same colour on every page: what tells the services of a trace apart.
export function colorOfName(name: string, scheme: Scheme): string {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return seriesColor(Math.abs(hash ^ (hash >>> 15)) % 9, scheme);
}

const levels: Record<string, [string, string]> = {
  fatal: ['#8d1f5c', '#ff86c2'], error: ['#b8321a', '#ff8a70'], warn: ['#9a6400', '#f0b849'], info: ['#1f6fb5', '#5ab4f0'], debug: ['#687386', '#8793a5'], trace: ['#8b94a3', '#6b7788'], unknown: ['#8b94a3', '#6b7788'],
};
export const levelColor = (level: string, scheme: Scheme) => (levels[level] ?? levels.unknown)[scheme === 'dark' ? 1 : 0];
