// Jaeger's query API, version 1 (the UI JSON API): what Jaeger's interface and Grafana's Jaeger data source
// read.
//
// Parameters and error texts: jaeger: cmd/query/app (query_parser.go, http_handler.go).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "net/http.h"
#include "storage/events.h"

namespace sonde::api {

// References must outlive the router.
struct JaegerApiContext {
  const storage::SpanReader& spans;
  const Clock& clock;
  std::function<storage::Scope(const net::Request&)> scope;  // what the asker may see; optional: everything
  size_t traces_max = 1500;                                  // of one search, whatever its limit says
  size_t spans_max = 500'000;                                // of one answer
  size_t dependency_spans_max = 1'000'000;                   // read for one answer of /api/dependencies
};

// Role read, GET: /api/services, /api/services/{service}/operations, /api/operations, /api/traces,
// /api/traces/{id}, /api/dependencies.
void add_jaeger_routes(net::Router& router, std::shared_ptr<JaegerApiContext> context);

}  // namespace sonde::api
