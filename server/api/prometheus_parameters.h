// Parameters of the Prometheus HTTP API: times, durations, limits, selectors, with Prometheus's error texts.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/matcher.h"
#include "net/http.h"

namespace sonde::api {

// What stands for "no bound": far outside of any stored sample, and safe to add any duration to.
inline constexpr Timestamp kEarliest{-(int64_t{1} << 61)};
inline constexpr Timestamp kLatest{int64_t{1} << 61};

// `invalid parameter "NAME": MESSAGE`, kInvalid.
Error invalid_parameter(std::string_view name, std::string_view message);

// Seconds since the epoch with a fraction, or RFC 3339. Errors come without the parameter's name.
Result<Timestamp> parse_time(std::string_view text);
// Seconds with a fraction, or 1h30m.
Result<Duration> parse_duration_parameter(std::string_view text);

// Below, errors name the parameter.
Result<Timestamp> time_parameter(const net::Params& params, std::string_view name, Timestamp fallback);
// 0 when absent: no limit.
Result<size_t> limit_parameter(const net::Params& params);
// match[], each with at least one matcher that does not match the empty string; empty when there is none.
Result<std::vector<Matchers>> match_parameters(const net::Params& params);
// start and end with the bounds above as defaults.
struct TimeRange {
  Timestamp from;
  Timestamp to;
};
Result<TimeRange> range_parameters(const net::Params& params);

// Go's strconv.ParseBool: 1 t T TRUE true True 0 f F FALSE false False.
Result<bool> bool_parameter(const net::Params& params, std::string_view name);

// Undoes the "values" escaping of names, U__my_2e_label; anything else comes back as it is
// (prometheus/common: model/metric.go, UnescapeName).
std::string unescape_name(std::string_view name);

}  // namespace sonde::api
