// The read side of the Prometheus HTTP API (v1, as of Prometheus 3.14), with federation, health and
// lifecycle.
//
// Format: prometheus: docs/querying/api.md, web/api/v1/api.go, util/jsonutil. Left out: /search, /read,
// /targets/relabel_steps, /scrape_pools/config, /status/tsdb/blocks, /status/self_metrics, /features,
// /notifications, /openapi.yaml; snapshot and clean_tombstones answer with an error that says so.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/query_limits.h"
#include "base/clock.h"
#include "net/http.h"
#include "notify/alertmanager_client.h"
#include "promql/engine.h"
#include "rules/manager.h"
#include "scrape/manager.h"
#include "storage/querier.h"

namespace sonde::api {

// What clients see of the program. `version` is the Prometheus version whose API this is: clients switch
// features by it; `sonde_version` is our own.
struct BuildInfo {
  std::string version = "3.14.0";
  std::string sonde_version;
  std::string revision;
  std::string branch;
  std::string build_user;
  std::string build_date;
  std::string compiler;
};

struct RuntimeInfo {
  EventTime start_time;
  std::string working_directory;
  std::string hostname;
  bool reload_succeeded = true;
  EventTime last_config_time;     // 0: never loaded
  uint64_t corruption_count = 0;  // parts set aside
  uint64_t threads = 0;           // stands as goroutineCount
  uint64_t cpus = 0;              // stands as GOMAXPROCS
  uint64_t memory_limit_bytes = 0;
  std::string storage_retention;  // "15d"
};

// Why a rule is not what its author thinks; shown beside the rule.
struct RuleFinding {
  std::string class_name;  // "never-fires", …
  std::string severity;    // "error", "warning"
  std::string message;
  std::string rewrite;  // a query that would work; empty: none known
};

// What the API reads and calls. References must outlive the router. Functions are called on handler threads,
// by several at once; those said to be optional may be empty.
struct PrometheusApiContext {
  storage::MetricStore& store;
  const promql::Engine& engine;
  const Clock& clock;
  scrape::Manager& scrape;
  rules::Manager& rules;
  notify::AlertmanagerClient& alertmanagers;

  // Shared by all APIs that run PromQL. Without one the routes get their own, which bounds queries, but has
  // no timer to notice that a peer is gone.
  std::shared_ptr<QueryGate> gate;
  uint64_t response_bytes_max = 100'000'000;  // of query results, estimated before anything is sent

  BuildInfo build;
  std::vector<std::pair<std::string, std::string>> flags;  // name without dashes, value
  std::string external_url;                                // "http://host:9090/prefix": for globalUrl
  uint16_t listen_port = 9090;
  std::function<RuntimeInfo()> runtime;                      // optional
  std::function<std::string()> config_yaml;                  // secrets masked; optional
  std::function<LabelSet()> external_labels;                 // of federated series; optional
  std::function<bool()> ready;                               // optional: always
  std::function<storage::Scope(const net::Request&)> scope;  // what the asker may see; optional: everything
  // Optional.
  std::function<std::vector<RuleFinding>(const rules::GroupStatus&, const rules::RuleStatus&)> findings;

  bool lifecycle = false;  // /-/reload and /-/quit
  bool admin_api = false;  // /api/v1/admin/tsdb
  std::function<Result<>()> reload;
  std::function<void()> quit;  // begins the stop and returns
};

// Registers:
//   open   GET            /-/healthy /-/ready (reserved)
//   read   GET POST       /api/v1/{query,query_range,query_exemplars,format_query,parse_query,series,labels}
//   read   GET            /api/v1/{label/{name}/values,metadata,targets,targets/metadata,scrape_pools,rules,
//                         alerts,alertmanagers}
//   read   GET            /api/v1/status/{config,flags,runtimeinfo,buildinfo,tsdb,walreplay} /federate
//   /version admin  POST PUT       /-/reload /-/quit
//   /api/v1/admin/tsdb/{delete_series,clean_tombstones,snapshot}
void add_prometheus_routes(net::Router& router, std::shared_ptr<PrometheusApiContext> context);

}  // namespace sonde::api
