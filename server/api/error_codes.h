// One table from our error codes to those of each protocol.
#pragma once

#include <string_view>

#include "base/error.h"

namespace sonde::api {

// Prometheus: HTTP status and `errorType` (prometheus: web/api/v1/api.go). Where Prometheus answers 500 for
// "unavailable", we answer 503: trying again later helps.
struct PrometheusCode {
  int status = 500;
  std::string_view type;
};
PrometheusCode prometheus_code(ErrorCode code);

// Jaeger: HTTP status; it stands in the envelope's `errors` as well.
int jaeger_status(ErrorCode code);

}  // namespace sonde::api
