import { useEffect, useRef, useState, type PointerEvent } from 'react';
import { useScheme } from '../app/theme';
import { colorOfName } from '../charts/palette';
import { isError, type Tree } from './tree';

interface Props { tree: Tree; total: number; window: [number, number]; onWindow: (w: [number, number]) => void }

const height = 48;

// The whole trace on one canvas. Drag selects the part that the waterfall shows; double click shows all again.
export function Minimap({ tree, total, window: shown, onWindow }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { scheme } = useScheme();
  const [drag, setDrag] = useState<[number, number] | null>(null);
  useEffect(() => {
    const c = canvas.current;
    if (!c) return;
    const draw = () => {
      const ratio = devicePixelRatio || 1;
      c.width = c.clientWidth * ratio;
      c.height = height * ratio;
      const ctx = c.getContext('2d');
      if (!ctx) return;
      const bad = getComputedStyle(document.documentElement).getPropertyValue('--bad').trim();
      const rowHeight = Math.min(4 * ratio, Math.max(0.5, (c.height - 4) / tree.nodes.length));
      tree.nodes.forEach((n, i) => {
        ctx.fillStyle = colorOfName(n.span.service, scheme);
        ctx.fillRect((n.span.start / total) * c.width, 2 + i * rowHeight, Math.max(ratio, (n.span.duration / total) * c.width), Math.max(0.5, rowHeight - 0.4 * ratio));
        if (!isError(n.span)) return;
        ctx.fillStyle = bad;
        ctx.fillRect(((n.span.start + n.span.duration) / total) * c.width - 4 * ratio, 2 + i * rowHeight, 4 * ratio, Math.max(1, rowHeight));
      });
    };
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(c);
    return () => observer.disconnect();
  }, [tree, total, scheme]);

  const at = (e: PointerEvent) => {
    const box = e.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, (e.clientX - box.left) / box.width)) * total;
  };
  const selection = drag ?? shown;
  const [a, b] = [Math.min(...selection), Math.max(...selection)];
  return (
    <div className="minimap" onPointerDown={e => { e.currentTarget.setPointerCapture(e.pointerId); setDrag([at(e), at(e)]); }} onPointerMove={e => drag && setDrag([drag[0], at(e)])}
      onPointerUp={e => { if (!drag) return; const to = at(e); setDrag(null); if (Math.abs(to - drag[0]) > total * 0.005) onWindow([Math.min(drag[0], to), Math.max(drag[0], to)]); }} onDoubleClick={() => onWindow([0, total])}>
      <canvas ref={canvas} role="img" aria-label={`Minimap of ${tree.nodes.length} spans`} />
      {(a > 0 || b < total) && <><i className="mask" style={{ left: 0, width: `${(a / total) * 100}%` }} /><i className="mask" style={{ right: 0, width: `${(1 - b / total) * 100}%` }} /></>}
    </div>
  );
}
