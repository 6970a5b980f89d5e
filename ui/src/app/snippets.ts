// What to paste to fill an empty page, with this server's own address inside.

import type { Addresses } from './addresses';

export interface Snippet { title: string; code: string }

const host = (at: Addresses) => new URL(at.server).hostname;

export const snippets = {
  cpp: (_: Addresses): Snippet => ({
    title: 'C++: link libsonde',
    code: `# CMakeLists.txt
find_package(sonde REQUIRED)
target_link_libraries(shop PRIVATE sonde::sonde)

// main.cpp: metrics, logs and traces are served and sent from here on
#include <sonde/sonde.h>
auto telemetry = sonde::init({.service = "shop", .version = "1.0.0"});
telemetry.admin("0.0.0.0:9464");`,
  }),
  otlp: (at: Addresses): Snippet => ({
    title: 'Any language: an OpenTelemetry SDK',
    code: `export OTEL_SERVICE_NAME=shop
export OTEL_EXPORTER_OTLP_ENDPOINT=${at.otlp}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`,
  }),
  scrape: (at: Addresses): Snippet => ({
    title: `Prometheus scrape: add to the configuration file, then reload`,
    code: `scrape_configs:
  - job_name: shop
    scrape_interval: 5s
    static_configs:
      - targets: ['${host(at)}:9464']

# take it up without a restart
curl -X POST ${at.server}/-/reload`,
  }),
  remoteWrite: (at: Addresses): Snippet => ({
    title: 'From another Prometheus',
    code: `remote_write:
  - url: ${at.server}/api/v1/write
    send_exemplars: true`,
  }),
  logPush: (at: Addresses): Snippet => ({
    title: 'One log line with curl (the Loki push API)',
    code: `curl -i ${at.server}/loki/api/v1/push -H 'Content-Type: application/json' -d '{
  "streams": [{
    "stream": {"service_name": "shop", "level": "info"},
    "values": [["'$(date +%s%N)'", "hello from curl"]]
  }]
}'`,
  }),
  span: (at: Addresses): Snippet => ({
    title: 'One span with curl (OTLP over HTTP)',
    code: `curl -i ${at.otlp}/v1/traces -H 'Content-Type: application/json' -d '{
  "resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
    "scopeSpans": [{"spans": [{
      "traceId": "'$(openssl rand -hex 16)'", "spanId": "'$(openssl rand -hex 8)'", "name": "hello", "kind": 1,
      "startTimeUnixNano": "'$(date +%s)000000000'", "endTimeUnixNano": "'$(date +%s)250000000'"
    }]}]
  }]
}'`,
  }),
  statements: (_: Addresses): Snippet => ({
    title: 'C++: watch a database',
    code: `#include <sonde/sqlite.h>
sonde::sqlite::attach_all();            // every SQLite connection opened from here on

#include <sonde/pq.h>
sonde::pq::attach(connection);          // one PostgreSQL connection`,
  }),
  rule: (_: Addresses): Snippet => ({
    title: 'A first alerting rule (a file named under rule_files)',
    code: `groups:
  - name: shop
    rules:
      - alert: ShopSlow
        expr: histogram_quantile(0.95, sum by (le, service) (rate(http_server_request_duration_seconds_bucket[1m]))) > 0.5
        for: 1m
        labels: {severity: page}
        annotations: {summary: 'p95 of {{ $labels.service }} is {{ $value | humanizeDuration }}'}`,
  }),
};
