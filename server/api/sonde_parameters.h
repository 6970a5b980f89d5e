// Parameters of requests to sonde's own API.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "net/http.h"

namespace sonde::api {

// A stretch of time that a request asks about: start ≤ end.
struct Window {
  Timestamp start;
  Timestamp end;

  Duration length() const { return end - start; }
  double seconds() const { return length().to_seconds(); }
  EventTime from() const { return EventTime::from_timestamp(start); }
  // Exclusive: one past the last nanosecond of `end`.
  EventTime to() const { return EventTime::from_timestamp(end) + Duration::milliseconds(1); }
};

// Seconds since the epoch with a fraction, or RFC 3339. kInvalid names the parameter.
Result<Timestamp> parse_time(std::string_view name, std::string_view text);

// `start` and `end`; the last hour where they are missing. kInvalid also beyond ten years.
Result<Window> window_of(const net::Params& params, const Clock& clock);

// `limit`, at most `most`; `fallback` when absent.
Result<size_t> limit_of(const net::Params& params, size_t fallback, size_t most);

// A number of seconds ≥ 0; 0 when absent.
Result<Duration> seconds_of(const net::Params& params, std::string_view name);

// "1", "true" and the like; false when absent.
bool flag_of(const net::Params& params, std::string_view name);

}  // namespace sonde::api
