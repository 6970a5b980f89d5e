import { describe, expect, test } from 'vitest';
import type { Span } from '../api/sonde';
import { readTags } from './tags';
import { buildTree, isError, statementOf, statementsBelow, visibleNodes } from './tree';

const span = (id: string, parent: string, start: number, duration: number, more: Partial<Span> = {}): Span =>
  ({ span_id: id, parent_id: parent, service: 's', name: id, kind: 'internal', start, duration, status: 'unset', attributes: {}, events: [], resource: {}, ...more });
const names = (nodes: { span: Span }[]) => nodes.map(n => n.span.span_id).join(' ');

describe('the tree of a trace', () => {
  test('children stand under their parents in order of start', () => {
    const tree = buildTree([span('a', '', 0, 10), span('c', 'a', 5, 2), span('b', 'a', 1, 3), span('d', 'b', 1, 1)]);
    expect(names(tree.nodes)).toBe('a b d c');
    expect(tree.nodes.map(n => n.depth)).toEqual([0, 1, 2, 1]);
    expect(tree.roots[0].descendants).toBe(3);
  });
  test('a span whose parent is missing is a root, and says so', () => {
    const tree = buildTree([span('a', '', 0, 10), span('x', 'gone', 2, 1)]);
    expect(names(tree.roots)).toBe('a x');
    expect(tree.byId.get('x')!.orphan).toBe(true);
    expect(tree.byId.get('a')!.orphan).toBe(false);
  });
  test('cycles, self parents and doubled ids lose no span and do not hang', () => {
    const tree = buildTree([span('a', 'b', 0, 1), span('b', 'a', 0, 1), span('c', 'c', 0, 1), span('c', '', 0, 1)]);
    expect(tree.nodes).toHaveLength(4);
  });
  test('a long chain of spans is no matter of the stack', () => {
    const chain = Array.from({ length: 2000 }, (_, i) => span(`n${i}`, i ? `n${i - 1}` : '', i, 2000 - i));
    const tree = buildTree(chain);
    expect(tree.nodes).toHaveLength(2000);
    expect(tree.nodes[1999].depth).toBe(1999);
  });
  test('self time is what no child covers; overlapping children count once', () => {
    const tree = buildTree([span('a', '', 0, 10), span('b', 'a', 1, 4), span('c', 'a', 3, 4), span('late', 'a', 9, 5)]);
    expect(tree.byId.get('a')!.self).toBeCloseTo(10 - 6 - 1);
    expect(tree.byId.get('b')!.self).toBe(4);
  });
  test('the critical path is what the end waited for', () => {
    const tree = buildTree([span('a', '', 0, 10), span('fast', 'a', 1, 2), span('slow', 'a', 1, 8)]);
    expect(tree.byId.get('slow')!.critical).toEqual([[1, 9]]);
    expect(tree.byId.get('fast')!.critical).toEqual([]);
    expect(tree.byId.get('a')!.critical).toEqual([[0, 1], [9, 10]]);
  });
  test('the critical path covers the root exactly once', () => {
    const tree = buildTree([span('a', '', 0, 10), span('b', 'a', 0.5, 3), span('c', 'a', 4, 5), span('d', 'c', 4.5, 1), span('e', 'c', 6, 2.5)]);
    const parts = tree.nodes.flatMap(n => n.critical).sort((x, y) => x[0] - y[0]);
    expect(parts.reduce((sum, [x, y]) => sum + y - x, 0)).toBeCloseTo(10);
    for (let i = 1; i < parts.length; i++) expect(parts[i][0]).toBeCloseTo(parts[i - 1][1]);
  });
  test('collapsing leaves out the whole subtree and nothing else', () => {
    const tree = buildTree([span('a', '', 0, 10), span('b', 'a', 1, 3), span('d', 'b', 1, 1), span('c', 'a', 5, 2)]);
    expect(names(visibleNodes(tree, new Set(['b'])))).toBe('a b c');
    expect(names(visibleNodes(tree, new Set(['a'])))).toBe('a');
  });
});

test('statements are found under the new and the old attribute names', () => {
  expect(statementOf(span('a', '', 0, 1, { attributes: { 'db.query.text': 'SELECT ?', 'sonde.db.fingerprint': 'f1', 'db.system.name': 'sqlite' } }))).toEqual({ text: 'SELECT ?', fingerprint: 'f1', system: 'sqlite' });
  expect(statementOf(span('a', '', 0, 1, { attributes: { 'db.statement': 'SELECT 1' } }))?.text).toBe('SELECT 1');
  expect(statementOf(span('a', '', 0, 1))).toBeUndefined();
  expect(isError(span('a', '', 0, 1, { status: 'STATUS_CODE_ERROR' }))).toBe(true);
});

test('tags are read with and without quotes', () => {
  expect(readTags('http.route=/orders user="a \\"b\\"" x=')).toEqual(['http.route=/orders', 'user=a "b"', 'x=']);
  expect(readTags('')).toEqual([]);
});

test('the statements below a span are found at any depth, the slowest first', () => {
  const db = { attributes: { 'db.query.text': 'SELECT ?' } };
  const tree = buildTree([span('a', '', 0, 10), span('b', 'a', 0, 1, db), span('c', 'a', 1, 8), span('d', 'c', 1, 7, db), span('e', '', 0, 9, db)]);
  expect(names(statementsBelow(tree.byId.get('a')!, 5))).toBe('d b');
  expect(names(statementsBelow(tree.byId.get('a')!, 1))).toBe('d');
});
