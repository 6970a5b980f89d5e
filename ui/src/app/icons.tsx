// Line icons on a 16 grid, drawn in the current colour.

const drawings = {
  overview: 'M2 9.5 5 6l3 4 2.5-6L14 10M2 13.5h12',
  explore: 'M2 13.5h12M2 10.5 6 6l3 3 5-6',
  logs: 'M2 4h12M2 8h9M2 12h11',
  traces: 'M2 3.5h8M5 8h6M8 12.5h6',
  queries: 'M3 4c0-2.6 10-2.6 10 0s-10 2.6-10 0v8c0 2.6 10 2.6 10 0V4M3 8c0 2.6 10 2.6 10 0',
  alerts: 'M8 2a4 4 0 0 1 4 4c0 4 1.5 5 1.5 5h-11S4 10 4 6a4 4 0 0 1 4-4M6.5 13.5h3',
  targets: 'M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 6a2 2 0 1 0 0 4 2 2 0 0 0 0-4',
  status: 'M3 3h10v4H3zM3 9h10v4H3zM5 5h.01M5 11h.01',
  search: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.5 10.5 14 14',
  clock: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 5v3.3l2 1.2',
  refresh: 'M13 8a5 5 0 1 1-1.5-3.6M13 2v3h-3',
  zoomOut: 'M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M5 7h4M10.5 10.5 14 14',
  play: 'M5 3.5v9l7-4.5z', pause: 'M5.5 3.5v9M10.5 3.5v9',
  sun: 'M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1.5V3M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1',
  moon: 'M13 9.5A5.5 5.5 0 1 1 6.5 3 4.5 4.5 0 0 0 13 9.5',
  help: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M6.3 6.2c.3-2 3.6-1.8 3.4.2C9.6 7.6 8 7.7 8 9M8 11.3h.01',
  copy: 'M6 5.5h7.5V14H6zM10 5.5V2H2.5v8.5H6',
  check: 'M3 8.5 6.5 12 13 4.5', cross: 'M4 4l8 8M12 4l-8 8', warning: 'M8 2 14.5 13.5h-13zM8 6.5v3M8 11.5h.01',
  chevron: 'M6 3.5 10.5 8 6 12.5', down: 'M3.5 6 8 10.5 12.5 6', plus: 'M8 3v10M3 8h10', table: 'M2.5 3h11v10h-11zM2.5 6.5h11M6.5 3v10', chart: 'M2.5 2.5v11h11M5 10l3-3.5 2 2 3.5-4',
  link: 'M6.5 9.5 9.5 6.5M7 4.5l1.5-1.5a3 3 0 0 1 4.3 4.3L11.3 8.8M9 11.5 7.5 13a3 3 0 0 1-4.3-4.3l1.5-1.5', out: 'M6 3H3v10h10v-3M9 3h4v4M13 3 7.5 8.5',
} as const;

export type IconName = keyof typeof drawings;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={drawings[name]} />
    </svg>
  );
}
