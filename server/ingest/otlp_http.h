// OTLP over HTTP: POST of export requests, in protobuf and JSON (OTLP specification 1.11, "OTLP/HTTP").
#pragma once

#include "ingest/intake.h"

namespace sonde::ingest {

// /v1/traces, /v1/logs, /v1/metrics, and where Prometheus and Loki have theirs: /api/v1/otlp/v1/metrics,
// /otlp/v1/logs.
//
// Answers 200 after what was stored is durable, with partial_success for what was not. Errors are
// google.rpc.Status in the request's encoding: 400 and 413 mean that sending it again will not help, 503 with
// Retry-After that it will. Logs whose User-Agent is ours are booked under Source::kShip.
void add_otlp_http_routes(net::Router& router, const IngestContext& context);

}  // namespace sonde::ingest
