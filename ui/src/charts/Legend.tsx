import { lastValue, maxValue, type ChartSeries } from './align';

interface Props { series: ChartSeries[]; write: (v: number | null) => string; only: string | null; onOnly: (name: string | null) => void }

const shown = 60;

export function Legend({ series, write, only, onOnly }: Props) {
  if (series.length === 0) return null;
  return (
    <div className="legend" role="group" aria-label="Series">
      <span className="head">{series.length > shown ? `${shown} of ${series.length} series shown` : ''}</span><span className="head">last</span><span className="head">max</span>
      {series.slice(0, shown).map(s => (
        <button key={s.name} type="button" data-off={only !== null && only !== s.name} aria-pressed={only === s.name} title={`${s.name}\nClick: this one alone`} onClick={() => onOnly(only === s.name ? null : s.name)}>
          <span className="name">
            <svg width="12" height="8" aria-hidden="true"><line x1="0" y1="4" x2="12" y2="4" stroke={s.color} strokeWidth="3" strokeDasharray={s.dash ? '4 2' : undefined} /></svg>
            {s.name}
          </span>
          <span className="value">{write(lastValue(s.points))}</span>
          <span className="value">{write(maxValue(s.points))}</span>
        </button>
      ))}
    </div>
  );
}
