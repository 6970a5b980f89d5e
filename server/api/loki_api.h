// The read side of the Loki HTTP API, as Grafana's data source, logcli and our pages use it.
//
// Format: grafana/loki, docs/sources/reference/loki-http-api.md, pkg/loghttp. Left out: tail,
// index/volume_range, patterns, detected_*, delete, and the parameters `interval` (refused) and `shards`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "logql/engine.h"
#include "net/http.h"
#include "storage/events.h"

namespace sonde::api {

// What stands under status/buildinfo. `version` is the Loki version whose API this is: clients switch
// features by it.
struct LokiBuildInfo {
  std::string version = "3.7.3";
  std::string revision;
  std::string branch;
  std::string build_user;
  std::string build_date;
};

// References must outlive the router. Functions are called on handler threads, by several at once.
struct LokiApiContext {
  const storage::LogReader& reader;
  const logql::Engine& engine;
  const Clock& clock;
  LokiBuildInfo build;
  size_t streams_max = 50'000;                               // of series and index answers
  std::function<storage::Scope(const net::Request&)> scope;  // what the asker may see; optional: everything
};

// Registers below /loki/api/v1, role read, GET and POST (parameters in the query or a form):
//   query_range query labels label label/{name}/values series index/stats index/volume format_query
// and GET status/buildinfo. Errors are plain text: 400 for what is wrong with the query or beyond a limit,
// 499 cancelled, 503 unavailable, 504 timeout, 500.
void add_loki_routes(net::Router& router, std::shared_ptr<const LokiApiContext> context);

}  // namespace sonde::api
