// `http.route=/orders user="a b"` as the list of k=v that the search takes.
export function readTags(text: string): string[] {
  return [...text.matchAll(/([^\s=]+)=(?:"((?:\\.|[^"\\])*)"|(\S*))/g)].map(([, key, quoted, bare]) => `${key}=${quoted !== undefined ? quoted.replace(/\\(.)/g, '$1') : bare}`);
}
