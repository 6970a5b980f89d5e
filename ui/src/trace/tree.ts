// The tree of a trace, its self times and its critical path. No recursion: a trace may be a chain of 50,000 spans.

import type { Span } from '../api/sonde';

export interface Node {
  span: Span; depth: number; parent: Node | null; children: Node[];
  self: number;        // seconds in which no child ran
  descendants: number;
  critical: [number, number][];  // the parts of this span that the trace's end waited for
  orphan: boolean;     // its parent is named but was not received
}

export interface Tree { roots: Node[]; byId: Map<string, Node>; nodes: Node[]; end: number }

const endOf = (n: Node) => n.span.start + n.span.duration;

export function buildTree(spans: Span[]): Tree {
  const byId = new Map<string, Node>();
  const nodes: Node[] = [];
  for (const span of spans) {
    const node: Node = { span, depth: 0, parent: null, children: [], self: 0, descendants: 0, critical: [], orphan: false };
    nodes.push(node);
    // A doubled id keeps the first; the second hangs beside it as a root of its own.
    if (!byId.has(span.span_id)) byId.set(span.span_id, node);
  }
  for (const node of nodes) {
    const id = node.span.parent_id;
    const parent = id ? byId.get(id) : undefined;
    if (parent && parent !== node && !reaches(parent, node)) {
      node.parent = parent;
      parent.children.push(node);
    } else {
      node.orphan = !!id;
    }
  }
  const roots = nodes.filter(n => !n.parent);
  const byStart = (a: Node, b: Node) => a.span.start - b.span.start || b.span.duration - a.span.duration;
  roots.sort(byStart);
  const order: Node[] = [];
  const pending = [...roots].reverse();
  while (pending.length) {
    const node = pending.pop()!;
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    node.children.sort(byStart);
    node.self = node.span.duration - covered(node);
    order.push(node);
    for (let i = node.children.length - 1; i >= 0; i--) pending.push(node.children[i]);
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const parent = order[i].parent;
    if (parent) parent.descendants += order[i].descendants + 1;
  }
  for (const root of roots) markCritical(root);
  return { roots, byId, nodes: order, end: order.reduce((m, n) => Math.max(m, endOf(n)), 0) };
}

// Guards against cycles in what was received: is `target` an ancestor of `from`?
function reaches(from: Node, target: Node): boolean {
  for (let n: Node | null = from; n; n = n.parent) if (n === target) return true;
  return false;
}

// Seconds of the span during which at least one child ran.
function covered(node: Node): number {
  let sum = 0;
  let until = node.span.start;
  const end = endOf(node);
  for (const c of node.children) {
    const from = Math.max(until, c.span.start);
    const to = Math.min(end, endOf(c));
    if (to > from) { sum += to - from; until = to; }
  }
  return sum;
}

// From the end of the root backwards: the child that ended last is what was waited for; before its start, the next.
function markCritical(root: Node) {
  const pending: { node: Node; from: number; to: number }[] = [{ node: root, from: root.span.start, to: endOf(root) }];
  while (pending.length) {
    const { node, from, to } = pending.pop()!;
    let at = to;
    const byEnd = [...node.children].sort((a, b) => endOf(b) - endOf(a));
    for (const child of byEnd) {
      const end = Math.min(endOf(child), to);
      // A child that still ran at `at` was overtaken by a later one; one from before `from` is not waited for here.
      if (end > at + 1e-12 || end <= from || child.span.start >= at) continue;
      if (at > end) node.critical.unshift([end, at]);
      const start = Math.max(from, child.span.start);
      pending.push({ node: child, from: start, to: end });
      at = start;
    }
    if (at > from) node.critical.unshift([from, at]);
  }
}

// The rows to draw, with the subtrees of `closed` left out.
export function visibleNodes(tree: Tree, closed: ReadonlySet<string>): Node[] {
  const out: Node[] = [];
  for (let i = 0; i < tree.nodes.length; i++) {
    const node = tree.nodes[i];
    out.push(node);
    if (node.children.length && closed.has(node.span.span_id)) i += node.descendants;
  }
  return out;
}

export const isError = (span: Span) => /error/i.test(span.status);

// What a database span says about its statement.
export function statementOf(span: Span): { fingerprint?: string; text: string; system: string } | undefined {
  const a = span.attributes;
  const text = a['db.query.text'] ?? a['db.statement'] ?? a['db.query.summary'];
  const fingerprint = a['sonde.db.fingerprint'];
  if (text === undefined && fingerprint === undefined) return undefined;
  return { fingerprint: fingerprint === undefined ? undefined : String(fingerprint), text: text === undefined ? span.name : String(text), system: String(a['db.system.name'] ?? a['db.system'] ?? 'sql') };
}

// The database spans under a span, the slowest first: where to look when a request was slow.
export function statementsBelow(node: Node, most: number): Node[] {
  const found: Node[] = [];
  const pending = [...node.children];
  while (pending.length) {
    const n = pending.pop()!;
    if (statementOf(n.span)) found.push(n);
    for (const c of n.children) pending.push(c);
  }
  return found.sort((a, b) => b.span.duration - a.span.duration).slice(0, most);
}
