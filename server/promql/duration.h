// Durations as PromQL writes them: 1h30m, 500ms. Milliseconds throughout.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sonde::promql {

// Units y w d h m s ms, each at most once, largest first; "0" is allowed. Empty on anything else or overflow.
std::optional<int64_t> parse_duration_ms(std::string_view text);

// The largest units that divide evenly: 90 s is "1m30s", 0 is "0s"; days, weeks and years only when exact.
std::string format_duration_ms(int64_t ms);

}  // namespace sonde::promql
