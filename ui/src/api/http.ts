// One way to ask the server: bounded, cancellable, and with errors that say what, where and what to do.

import { serverUrl } from '../app/place';

export class ApiError extends Error {
  constructor(
    readonly status: number,   // 0: no answer at all
    readonly where: string,    // "GET /api/v1/query"
    readonly what: string,
    readonly code = '',
  ) {
    super(what);
  }

  get remedy(): string {
    if (this.status === 0) return 'The server gave no answer. Check that sonde is running and that this address is still right; the page retries by itself when live refresh is on.';
    if (this.status === 401) return 'Sign in: reload the page, and use a user from the web configuration file.';
    if (this.status === 403) return 'Your user lacks the role for this. Ask whoever keeps the web configuration file.';
    if (this.status === 404) return 'This is not, or no longer, stored. Widen the time range, or check the retention on the Status page.';
    if (this.status === 413 || this.status === 422 || this.code === 'limit') return 'Ask for less: a shorter range, a larger step or a narrower selector.';
    if (this.status === 503) return 'The server is starting or replaying its log. It answers as soon as that is done; see the Status page.';
    if (this.status === 504 || this.code === 'timeout') return 'The query took too long. Shorten the range or narrow the selector.';
    if (this.status >= 500) return 'The server failed. Its own log has the reason.';
    return 'Correct the request and try again.';
  }
}

type Value = string | number | boolean | undefined | null | string[];
export type Parameters = Record<string, Value>;

export function queryString(parameters: Parameters): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined || value === null || value === '') continue;
    for (const one of Array.isArray(value) ? value : [value]) out.append(name, String(one));
  }
  return out.toString();
}

interface Ask { parameters?: Parameters; method?: 'GET' | 'POST'; form?: boolean; signal?: AbortSignal }

export async function ask<T>(path: string, { parameters = {}, method = 'GET', form = false, signal }: Ask = {}): Promise<T> {
  const where = `${method} /${path}`;
  const encoded = queryString(parameters);
  let response: Response;
  try {
    response = await fetch(serverUrl(path + (encoded && !form ? `?${encoded}` : '')), {
      method,
      signal,
      headers: { Accept: 'application/json', ...(form ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {}) },
      body: form ? encoded : undefined,
      credentials: 'same-origin',
    });
  } catch (cause) {
    if ((cause as Error).name === 'AbortError') throw cause;
    throw new ApiError(0, where, 'no connection to the server');
  }
  const text = await response.text();
  let body: unknown;
  try {
    body = text === '' ? {} : JSON.parse(text);
  } catch {
    throw new ApiError(response.status, where, response.ok ? 'the answer is not JSON' : text.trim().slice(0, 2000));
  }
  const answer = body as { error?: string; code?: string; errorType?: string; status?: string };
  if (!response.ok || answer.status === 'error') {
    throw new ApiError(response.status, where, answer.error ?? (response.statusText || `HTTP ${response.status}`), answer.code ?? answer.errorType ?? '');
  }
  return body as T;
}
