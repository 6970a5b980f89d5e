import { useQuery } from '@tanstack/react-query';
import { ask } from '../api/http';
import { queryExemplars, queryRange, traceIdOf, type Exemplar } from '../api/prometheus';
import type { Labels, Point } from '../api/sonde';
import type { ChartSeries } from '../charts/align';
import { stepFor, type Range } from '../time/range';
import { candidates, pickMetric, rateWindow, redExpressions } from './red';

export interface Red { rate: ChartSeries[]; errors: ChartSeries[]; duration: ChartSeries[]; exemplars: Exemplar[]; expressions: { rate: string; errors: string; duration: string } }

const one = async (name: string, expr: string, range: Range, step: number, signal: AbortSignal): Promise<ChartSeries> => {
  const answer = await queryRange(expr, range.start, range.end, step, signal);
  return { name, points: answer.series[0]?.values ?? ([] as Point[]) };
};

// Undefined when the service has no request histogram: the page then draws what the server derived from spans.
export function useRed(service: string, range: Range) {
  const metric = useQuery({
    queryKey: ['red-metric', service],
    staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const answer = await ask<{ data: Labels[] }>('api/v1/series', { parameters: { 'match[]': candidates(service), start: range.start, end: range.end, limit: 500 }, signal });
      return pickMetric(answer.data, service) ?? null;
    },
  });
  const red = useQuery({
    queryKey: ['red', service, range.start, range.end, metric.data],
    enabled: !!metric.data,
    queryFn: async ({ signal }): Promise<Red> => {
      const step = stepFor(range);
      const e = redExpressions(metric.data!, rateWindow(step));
      const [rate, errors, p50, p95, p99, exemplars] = await Promise.all([
        one('requests', e.rate, range, step, signal),
        e.errors ? one('error ratio', e.errors, range, step, signal) : null,
        one('p50', e.quantile(0.5), range, step, signal),
        one('p95', e.quantile(0.95), range, step, signal),
        one('p99', e.quantile(0.99), range, step, signal),
        queryExemplars(e.exemplars, range.start, range.end, signal).catch(() => []),
      ]);
      return {
        rate: [rate], errors: errors ? [errors] : [], duration: [p50, p95, p99], exemplars: exemplars.filter(traceIdOf),
        expressions: { rate: e.rate, errors: e.errors, duration: e.quantile(0.95) },
      };
    },
  });
  return { metric, red, pending: metric.isPending || (!!metric.data && red.isPending) };
}
