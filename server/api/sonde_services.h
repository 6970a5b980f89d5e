// The services of a server: one row each for the overview, and one of them in detail.
#pragma once

#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/sonde_red.h"

namespace sonde::api {

inline constexpr size_t kServicesMax = 500;
inline constexpr size_t kSparkPointsMax = 30;
inline constexpr double kUnknownNumber = std::numeric_limits<double>::quiet_NaN();

struct ServiceRow {
  std::string service;
  std::set<std::string> sources;  // "metrics", "spans", "logs"
  double rate = kUnknownNumber;
  double error_ratio = kUnknownNumber;
  double p50 = kUnknownNumber;
  double p95 = kUnknownNumber;
  Points spark_rate;
  Points spark_errors;  // ratio
  Points spark_p95;
  size_t up = 0;
  size_t down = 0;
  size_t checks_ok = 0;
  size_t checks_failing = 0;
  size_t firing = 0;
  size_t pending = 0;
  std::string version;

  const char* health() const;  // "ok", "degraded", "down", "unknown"
};

struct ServiceRows {
  std::map<std::string, ServiceRow> rows;
  bool truncated = false;  // more than kServicesMax services, or more spans than were looked at
};

// Of every service, or of `only` where that is not empty. The number of queries does not depend on how many
// services there are.
Result<ServiceRows> collect_services(const SondeContext& context, const Cancellation& cancel,
                                     const Window& window, const std::string& only);

// Bodies of GET /overview, /services and /services/{name}. `samples_per_second` and so on come from the
// caller, who remembers the totals.
struct IngestRates {
  double samples = 0;
  double logs = 0;
  double spans = 0;
};
Result<std::string> overview_json(const SondeContext& context, const Cancellation& cancel,
                                  const Window& window, const IngestRates& ingest);
Result<std::string> service_names_json(const SondeContext& context);
// kNotFound when nothing is known of it.
Result<std::string> service_json(const SondeContext& context, const Cancellation& cancel,
                                 const Window& window, const std::string& name);

}  // namespace sonde::api
