// Rate, errors and duration of services: from request metrics where a service has them, else from its spans.
//
// Of the metrics, OpenTelemetry's http_server_request_duration_seconds comes first, then http_requests_total
// with http_request_duration_seconds, then the histograms of RPC servers; the first that a service has
// counts.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/sonde_metrics.h"

namespace sonde::api {

struct RedQuery {
  Duration range;
  std::string_view service = {};  // empty: every one
  std::string_view by = {};       // labels beside the service, with commas
};
// Requests per second, failed requests per second, and a quantile of their seconds; PromQL, by sonde_service.
std::string rate_text(const RedQuery& q);
std::string errors_text(const RedQuery& q);
std::string quantile_text(double quantile, const RedQuery& q);

// Labels that may name an endpoint, for RedQuery::by.
inline constexpr std::string_view kEndpointLabels =
    "http_request_method, http_route, method, endpoint, handler, path, route, rpc_service, rpc_method, "
    "grpc_service, grpc_method";

// q of `seconds`, which it reorders; NaN when there are none.
double quantile_of(std::vector<float>& seconds, double q);

// Spans of kind server or consumer, laid on a grid.
struct SpanRed {
  struct Bin {
    uint64_t calls = 0;
    uint64_t errors = 0;
    std::vector<float> seconds;
  };
  std::vector<Bin> bins;  // bins[i] ends at start + i × step of the grid
};
struct SpanRedResult {
  std::map<std::string, SpanRed> services;
  bool truncated = false;
};
inline constexpr size_t kSpansScannedMax = 200'000;
// Of `wanted` services; at most kSpansScannedMax spans are looked at.
Result<SpanRedResult> red_of_spans(const SondeContext& context, const Cancellation& cancel, const Grid& grid,
                                   const std::set<std::string>& wanted);

}  // namespace sonde::api
