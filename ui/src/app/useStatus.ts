import { useQuery } from '@tanstack/react-query';
import { sonde } from '../api/sonde';

// The server's own state, shared by the shell, the charts (what is synthetic) and two pages.
export function useStatus() {
  return useQuery({ queryKey: ['status'], queryFn: ({ signal }) => sonde.status(signal), refetchInterval: 30_000, staleTime: 15_000 });
}
