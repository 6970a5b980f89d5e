// An HTTP service on one port: GET /orders/<id> calls its own /stock/<id>, counts, times and logs. PROTOCOL is
// `http/protobuf` or `grpc`; where to export to comes from OpenTelemetry's own environment variables.
'use strict';
const protocol = process.env.PROTOCOL;
const kind = protocol === 'grpc' ? 'grpc' : 'proto';
const {OTLPTraceExporter} = require(`@opentelemetry/exporter-trace-otlp-${kind}`);
const {OTLPMetricExporter} = require(`@opentelemetry/exporter-metrics-otlp-${kind}`);
const {OTLPLogExporter} = require(`@opentelemetry/exporter-logs-otlp-${kind}`);
const {NodeSDK} = require('@opentelemetry/sdk-node');
const {BatchLogRecordProcessor} = require('@opentelemetry/sdk-logs');
const {PeriodicExportingMetricReader} = require('@opentelemetry/sdk-metrics');
const {HttpInstrumentation} = require('@opentelemetry/instrumentation-http');

const sdk = new NodeSDK({
  traceExporter: new OTLPTraceExporter(),
  metricReaders: [new PeriodicExportingMetricReader(
      {exporter: new OTLPMetricExporter(), exportIntervalMillis: 2000, exportTimeoutMillis: 2000})],
  logRecordProcessors: [new BatchLogRecordProcessor({exporter: new OTLPLogExporter(), scheduledDelayMillis: 300})],
  instrumentations: [new HttpInstrumentation()],
});
sdk.start();

const {metrics, trace, SpanStatusCode} = require('@opentelemetry/api');
const {logs, SeverityNumber} = require('@opentelemetry/api-logs');
const http = require('node:http');

const port = Number(process.env.PORT);
const meter = metrics.getMeter('orders');
const shown = meter.createCounter('orders.shown', {unit: '{order}', description: 'Orders shown'});
const open = meter.createUpDownCounter('orders.open');
const took = meter.createHistogram('orders.price', {unit: 'EUR', advice: {explicitBucketBoundaries: [10, 100, 1000]}});
meter.createObservableGauge('orders.stock').addCallback(r => r.observe(7.5, {shelf: 'a'}));
const logger = logs.getLogger('orders');
const tracer = trace.getTracer('orders');

function stock(id) {
  return new Promise((resolve, reject) => {
    http.get({port, path: `/stock/${id}`}, r => {
      r.resume();
      r.on('end', () => resolve(r.statusCode));
    }).on('error', reject);
  });
}

async function order(id) {
  return tracer.startActiveSpan('look up order', {attributes: {'order.id': id, 'order.gift': id % 2 === 0}}, async span => {
    try {
      open.add(1);
      const status = await stock(id);
      shown.add(1, {status: String(status)});
      took.record(id * 30);
      span.addEvent('stock asked', {status});
      if (status !== 200) span.setStatus({code: SpanStatusCode.ERROR, message: 'out of stock'});
      logger.emit({severityNumber: status === 200 ? SeverityNumber.INFO : SeverityNumber.ERROR,
                   severityText: status === 200 ? 'INFO' : 'ERROR', body: `order ${id} shown`,
                   attributes: {'order.id': id, 'order.price': id * 30.5, gift: id % 2 === 0}});
      return status;
    } finally {
      open.add(-1);
      span.end();
    }
  });
}

const server = http.createServer(async (request, response) => {
  const [, what, id] = request.url.split('/');
  response.statusCode = what === 'orders' ? await order(Number(id)) : id === '9' ? 503 : 200;
  response.end();
});
server.listen(port, '127.0.0.1', () => console.log('ready'));

process.on('SIGTERM', () => {
  server.close();
  sdk.shutdown().then(() => process.exit(0), error => {
    console.error(error);
    process.exit(1);
  });
});
