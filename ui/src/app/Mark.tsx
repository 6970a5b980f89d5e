// State is told three times: by shape, by word and by colour.

export type Tone = 'ok' | 'warn' | 'bad' | 'info' | 'off';

const shapes: Record<Tone, string> = {
  ok: 'M2 6.5 4.8 9.2 10 3.2',
  warn: 'M6 1.5 11 10.5H1z',
  bad: 'M4 1h4l3 3v4l-3 3H4L1 8V4z',
  info: 'M6 2.5v4M6 9h.01',
  off: 'M2.5 6h7',
};

export function Shape({ tone }: { tone: Tone }) {
  const filled = tone === 'warn' || tone === 'bad';
  return (
    <svg viewBox="0 0 12 12" fill={filled ? 'currentColor' : 'none'} stroke="currentColor" strokeWidth={filled ? 1 : 2} strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
      <path d={shapes[tone]} />
    </svg>
  );
}

export function Mark({ tone, children }: { tone: Tone; children: React.ReactNode }) {
  return <span className={`mark tone-${tone}`}><Shape tone={tone} />{children}</span>;
}

export function Chip({ tone = 'off', children, title, glyph = true }: { tone?: Tone; children: React.ReactNode; title?: string; glyph?: boolean }) {
  return <span className={`chip tone-${tone}`} title={title}>{glyph && tone !== 'off' && tone !== 'info' && <Shape tone={tone} />}{children}</span>;
}

const tones: Record<string, Tone> = {
  ok: 'ok', up: 'ok', passing: 'ok', resolved: 'ok', inactive: 'ok', healthy: 'ok', normal: 'ok',
  degraded: 'warn', pending: 'warn', warning: 'warn', warn: 'warn',
  down: 'bad', firing: 'bad', failing: 'bad', error: 'bad', fail: 'bad', critical: 'bad', fatal: 'bad',
};
export const toneOf = (word: string): Tone => tones[word.toLowerCase()] ?? 'off';

export function State({ word }: { word: string }) {
  return <Mark tone={toneOf(word)}>{word}</Mark>;
}
