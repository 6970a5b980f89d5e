// Prometheus writes a syntax error as "LINE:COLUMN: parse error: what".

export interface Place { line: number; column: number; text: string }

export function placeOf(message: string): Place | undefined {
  const m = /(?:^|")(\d+):(\d+):\s*(?:parse error:\s*)?([\s\S]*)$/.exec(message.replace(/^invalid parameter "query":\s*/, ''));
  return m ? { line: Number(m[1]), column: Number(m[2]), text: m[3] } : undefined;
}

// The faulty line with a caret under the place.
export function underlined(expr: string, place: Place): string {
  const line = expr.split('\n')[place.line - 1];
  if (line === undefined) return '';
  const column = Math.min(Math.max(1, place.column), line.length + 1);
  return `${line}\n${' '.repeat(column - 1)}^`;
}
