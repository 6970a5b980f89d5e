import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import { useEffect, useRef } from 'react';
import { cspNonce, mountPath } from '../app/place';

interface Props { value: string; label: string; history: string[]; onChange: (text: string) => void; onRun: () => void }

const colors = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: 'var(--code-keyword)' },
  { tag: tags.function(tags.variableName), color: 'var(--code-function)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: tags.number, color: 'var(--code-number)' },
  { tag: tags.labelName, color: 'var(--code-label)' },
  { tag: tags.comment, color: 'var(--muted)' },
  { tag: tags.invalid, color: 'var(--bad)' },
]);

const look = EditorView.theme({
  '&': { fontSize: '13px', backgroundColor: 'var(--surface)', color: 'var(--ink)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--mono)', padding: '6px 0', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 9px' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--selected)' },
  '.cm-placeholder': { color: 'var(--faint)' },
  '.cm-tooltip': { backgroundColor: 'var(--raised)', border: '1px solid var(--line-strong)', borderRadius: '6px', color: 'var(--ink)', boxShadow: 'var(--shadow)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '260px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--selected)', color: 'var(--ink)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 8px' },
  '.cm-completionDetail': { color: 'var(--muted)', fontStyle: 'normal' },
  '.cm-completionInfo': { maxWidth: '380px', padding: '8px' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700' },
  '.cm-matchingBracket': { backgroundColor: 'var(--selected)', outline: 'none' },
  '.cm-diagnostic': { fontFamily: 'var(--font)', fontSize: '12px' },
});

export function PromqlEditor({ value, label, history: past, onChange, onRun }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const live = useRef({ onChange, onRun });
  useEffect(() => { live.current = { onChange, onRun }; });

  useEffect(() => {
    const promql = new PromQLExtension().activateCompletion(true).activateLinter(true).setComplete({
      remote: { url: mountPath, httpMethod: 'GET', cache: { initialMetricList: [], maxAge: 60_000 } },
      maxMetricsMetadata: 10_000,
    });
    const editor = new EditorView({
      parent: host.current!,
      state: EditorState.create({
        doc: value,
        extensions: [
          EditorView.cspNonce.of(cspNonce()),
          history(), bracketMatching(), closeBrackets(), autocompletion(), EditorView.lineWrapping,
          placeholder('rate(http_server_request_duration_seconds_count[1m])'),
          syntaxHighlighting(colors), look, promql.asExtension(),
          EditorView.contentAttributes.of({ 'aria-label': label, 'data-search': '' }),
          Prec.highest(keymap.of([
            { key: 'Mod-Enter', run: () => { live.current.onRun(); return true; } },
            { key: 'Shift-Enter', run: v => { v.dispatch(v.state.replaceSelection('\n')); return true; } },
          ])),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...lintKeymap]),
          Prec.low(keymap.of([{ key: 'Enter', run: () => { live.current.onRun(); return true; } }, { key: 'Escape', run: v => { v.contentDOM.blur(); return true; } }])),
          keymap.of([...historyKeymap, ...defaultKeymap.filter(k => k.key !== 'Enter' && k.key !== 'Mod-Enter')]),
          EditorView.updateListener.of(u => { if (u.docChanged) live.current.onChange(u.state.doc.toString()); }),
        ],
      }),
    });
    view.current = editor;
    return () => { promql.destroy(); editor.destroy(); view.current = null; };
    // One editor for the panel's life; a value from outside is put in below.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [label]);

  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== value) editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);

  return (
    <div className="editor">
      <div ref={host} className="editor-text" />
      {past.length > 0 && (
        <select className="field" aria-label="Earlier queries" value="" onChange={e => { if (e.target.value) onChange(e.target.value); }}>
          <option value="">History</option>{past.map(p => <option key={p} value={p}>{p.slice(0, 120)}</option>)}
        </select>
      )}
    </div>
  );
}
