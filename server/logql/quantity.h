// Numbers with units, as LogQL and log lines write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "logql/ast.h"

namespace sonde::logql {

// Decimal, without a unit; infinities and NaN are none.
std::optional<double> parse_number(std::string_view text);
// 1h30m, 1.5s, 250us, 2d: units y w d h m s ms us µs ns. Empty on overflow and on anything else.
std::optional<int64_t> parse_duration_ns(std::string_view text);
// 5KB, 1.5MiB, 20b: powers of 1000 and, with an i, of 1024. Any case.
std::optional<double> parse_bytes(std::string_view text);

// h, m, s, ms, us and ns, largest first: 90 s is "1m30s", 0 is "0s".
std::string format_duration_ns(int64_t ns);
std::string format_quantity(const Quantity& quantity);

}  // namespace sonde::logql
