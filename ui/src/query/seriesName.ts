import type { Labels } from '../api/sonde';

// `name{label="value"}` as PromQL writes it; "value" for a series without any label.
export function seriesName(metric: Labels): string {
  const labels = Object.entries(metric).filter(([k]) => k !== '__name__').map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(', ');
  const name = metric.__name__ ?? '';
  return name || labels ? `${name}${labels ? `{${labels}}` : ''}` : 'value';
}
