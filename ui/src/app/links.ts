// Paths inside the interface. What is common to every page (time, refresh, zone) travels along.

export const sticky = ['from', 'to', 'refresh', 'tz'] as const;

type Values = Record<string, string | number | boolean | undefined | null>;

// Appends `values` to `path`, together with the sticky values of the current search unless overridden.
export function withSearch(path: string, values: Values, currentSearch: string): string {
  const current = new URLSearchParams(currentSearch);
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== '' && value !== false) out.set(name, String(value));
  }
  for (const name of sticky) {
    const value = current.get(name);
    if (value !== null && !(name in values)) out.set(name, value);
  }
  const text = out.toString();
  return text ? `${path}?${text}` : path;
}

export const paths = {
  service: (name: string) => `/service/${encodeURIComponent(name)}`,
  trace: (id: string) => `/trace/${encodeURIComponent(id)}`,
  statement: (fingerprint: string) => `/queries/${encodeURIComponent(fingerprint)}`,
};
