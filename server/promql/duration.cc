#include "promql/duration.h"

#include <array>
#include <cstddef>
#include <limits>

namespace sonde::promql {
namespace {

struct Unit {
  std::string_view name;
  int64_t ms;
  bool exact;  // printed only when it divides the whole
};
constexpr std::array<Unit, 7> kUnits = {{{"y", 31'536'000'000, true},
                                         {"w", 604'800'000, true},
                                         {"d", 86'400'000, false},
                                         {"h", 3'600'000, false},
                                         {"m", 60'000, false},
                                         {"s", 1000, false},
                                         {"ms", 1, false}}};

}  // namespace

std::optional<int64_t> parse_duration_ms(std::string_view text) {
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  int64_t total = 0;
  size_t next_unit = 0;
  size_t i = 0;
  while (i < text.size()) {
    int64_t n = 0;
    size_t digits = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; i++, digits++) {
      if (n > (std::numeric_limits<int64_t>::max() - 9) / 10) return std::nullopt;
      n = n * 10 + (text[i] - '0');
    }
    if (digits == 0) return std::nullopt;
    size_t letters = 0;
    while (i + letters < text.size() && text[i + letters] >= 'a' && text[i + letters] <= 'z') letters++;
    std::string_view name = text.substr(i, letters);
    size_t u = next_unit;
    while (u < kUnits.size() && kUnits[u].name != name) u++;
    if (u == kUnits.size()) return std::nullopt;
    next_unit = u + 1;
    i += letters;
    int64_t part = 0;
    // As Go's time.Duration: at most 2^63-1 nanoseconds.
    constexpr int64_t kMax = std::numeric_limits<int64_t>::max() / 1'000'000;
    if (__builtin_mul_overflow(n, kUnits[u].ms, &part) || part > kMax - total) return std::nullopt;
    total += part;
  }
  return total;
}

std::string format_duration_ms(int64_t ms) {
  if (ms == 0) return "0s";
  std::string out;
  uint64_t rest = static_cast<uint64_t>(ms);
  if (ms < 0) {
    out = "-";
    rest = 0 - rest;
  }
  for (const Unit& u : kUnits) {
    auto unit = static_cast<uint64_t>(u.ms);
    if (rest < unit || (u.exact && rest % unit != 0)) continue;
    out += std::to_string(rest / unit);
    out += u.name;
    rest %= unit;
  }
  return out;
}

}  // namespace sonde::promql
