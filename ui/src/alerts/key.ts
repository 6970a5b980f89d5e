import type { Labels } from '../api/sonde';

// An alert is its rule and its labels; a short stable key of them for the URL.
export function alertKey(name: string, labels: Labels): string {
  const text = name + JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
  let hash = 5381;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 33) ^ text.charCodeAt(i)) >>> 0;
  return hash.toString(36);
}

// Seconds until a pending alert fires, counted down from what the server said at `asked`.
export function remaining(said: number | undefined, asked: number, now: number): number | undefined {
  return said === undefined ? undefined : Math.max(0, said - (now - asked));
}
