import type { Status } from '../api/sonde';
import { serverAddress } from './place';
import { useStatus } from './useStatus';

export interface Addresses { server: string; otlp: string }

// Where to send OTLP over HTTP: the port that the server says it has for that, else the usual one, on this page's host.
export function addressesOf(server: string, listen: Status['listen'] | undefined): Addresses {
  const own = listen?.find(l => /otlp/i.test(l.kind) && /http/i.test(l.kind));
  const port = own ? /:(\d+)$/.exec(own.address)?.[1] : undefined;
  return { server, otlp: `http://${new URL(server).hostname}:${port ?? '4318'}` };
}

export function useAddresses(): Addresses {
  return addressesOf(serverAddress(), useStatus().data?.listen);
}
