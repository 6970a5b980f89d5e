// The endpoints of the Prometheus API, by family; prometheus_api.cc puts them on routes.
#pragma once

#include <string>
#include <string_view>

#include "api/prometheus_answer.h"
#include "api/prometheus_api.h"
#include "api/prometheus_parameters.h"

namespace sonde::api {

struct PrometheusCall {
  const PrometheusApiContext& context;
  const net::Request& request;
  const net::Params& params;  // of the query and the form
  storage::Scope scope;
};

// Writes the data and its remarks; the caller begins and ends the envelope's rest. On failure nothing of the
// answer counts.
using PrometheusEndpoint = Result<> (*)(const PrometheusCall& call, PrometheusAnswer& answer);

// prometheus_query.cc
Result<> query_instant(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> query_range(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> query_exemplars(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> format_query(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> parse_query(const PrometheusCall& call, PrometheusAnswer& answer);

// prometheus_series.cc
Result<> list_series(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> list_label_names(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> list_label_values(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> list_metadata(const PrometheusCall& call, PrometheusAnswer& answer);

// prometheus_targets.cc
Result<> list_targets(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> list_target_metadata(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> list_scrape_pools(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> list_alertmanagers(const PrometheusCall& call, PrometheusAnswer& answer);

// prometheus_rules.cc
Result<> list_rules(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> list_alerts(const PrometheusCall& call, PrometheusAnswer& answer);

// prometheus_status.cc
Result<> status_config(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> status_flags(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> status_runtime(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> status_build(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> status_tsdb(const PrometheusCall& call, PrometheusAnswer& answer);
Result<> status_replay(const PrometheusCall& call, PrometheusAnswer& answer);
std::string build_json(const BuildInfo& build);

// prometheus_federate.cc: text format 0.0.4.
void federate(const PrometheusApiContext& context, net::Request& request, net::ResponseWriter& writer);

// RFC 3339 as Go prints it: no trailing zeros; `t` 0 is Go's zero time, 0001-01-01T00:00:00Z.
std::string go_time(EventTime t);
// As Go's Duration.Seconds(): whole seconds stay whole.
double seconds_of(Duration d);
// Short form of promql::format_duration_ms for intervals: "15s", "1m30s".
std::string interval_text(Duration d);

}  // namespace sonde::api
