// Where this interface is mounted. The server writes <base href>, so it works below any route prefix.

export function basePath(baseUri: string): string {
  return new URL(baseUri).pathname.replace(/\/[^/]*$/, '');
}

// "/prefix", or "" at the root. Never ends in a slash: what wouter and the PromQL client want.
export const mountPath = typeof document === 'undefined' ? '' : basePath(document.baseURI);

export function serverUrl(path: string): string {
  return new URL(path.replace(/^\//, ''), document.baseURI).href;
}

// The address to paste into configuration files: scheme, host, port and prefix, no slash at the end.
export const serverAddress = () => window.location.origin + mountPath;

export const cspNonce = () =>
  document.querySelector('meta[name="csp-nonce"]')?.getAttribute('content') ?? '';
