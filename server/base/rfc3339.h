// RFC 3339 text of points in time, always in UTC.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace sonde {

// "2026-01-02T03:04:05.678Z": as many of the `fraction_digits` (0 to 9) as given.
std::string to_rfc3339(EventTime t, int fraction_digits = 3);
// Any offset, 'T', 't' or a space between date and time, any number of fraction digits (cut at 9). Years 1678
// to 2261.
std::optional<EventTime> parse_rfc3339(std::string_view text);

}  // namespace sonde
