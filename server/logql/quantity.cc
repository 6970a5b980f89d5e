#include "logql/quantity.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>

namespace sonde::logql {
namespace {

struct NamedUnit {
  std::string_view name;
  int64_t factor;
};
constexpr std::array<NamedUnit, 11> kDurations = {{{"y", 365 * 86'400'000'000'000},
                                                   {"w", 7 * 86'400'000'000'000},
                                                   {"d", 86'400'000'000'000},
                                                   {"h", 3'600'000'000'000},
                                                   {"m", 60'000'000'000},
                                                   {"s", 1'000'000'000},
                                                   {"ms", 1'000'000},
                                                   {"us", 1'000},
                                                   {"\xc2\xb5s", 1'000},
                                                   {"\xce\xbcs", 1'000},
                                                   {"ns", 1}}};
constexpr std::array<NamedUnit, 11> kBytes = {{{"b", 1},
                                               {"kb", 1'000},
                                               {"mb", 1'000'000},
                                               {"gb", 1'000'000'000},
                                               {"tb", 1'000'000'000'000},
                                               {"pb", 1'000'000'000'000'000},
                                               {"kib", 1 << 10},
                                               {"mib", 1 << 20},
                                               {"gib", 1 << 30},
                                               {"tib", int64_t{1} << 40},
                                               {"pib", int64_t{1} << 50}}};

bool is_number_char(char c) { return (c >= '0' && c <= '9') || c == '.'; }

// Cuts digits and dots off the front.
std::optional<double> take_number(std::string_view& text) {
  size_t n = 0;
  while (n < text.size() && is_number_char(text[n])) n++;
  if (n == 0) return std::nullopt;
  auto v = parse_number(text.substr(0, n));
  text.remove_prefix(n);
  return v;
}

}  // namespace

std::optional<double> parse_number(std::string_view text) {
  double v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(v)) return std::nullopt;
  return v;
}

std::optional<int64_t> parse_duration_ns(std::string_view text) {
  bool negative = !text.empty() && text[0] == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  // Whole numbers stay exact: what is printed reads back as the same.
  __extension__ __int128 total = 0;
  while (!text.empty()) {
    size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') digits++;
    int64_t whole = 0;
    bool exact = digits > 0 && (digits == text.size() || text[digits] != '.') &&
                 std::from_chars(text.data(), text.data() + digits, whole).ec == std::errc();
    auto v = take_number(text);
    if (!v) return std::nullopt;
    size_t n = 0;
    while (n < text.size() && !is_number_char(text[n])) n++;
    const NamedUnit* unit = nullptr;
    for (const NamedUnit& u : kDurations) {
      if (u.name == text.substr(0, n)) unit = &u;
    }
    if (!unit) return std::nullopt;
    if (*v * static_cast<double>(unit->factor) > 9e18) return std::nullopt;
    if (exact) {
      total += static_cast<decltype(total)>(whole) * unit->factor;
    } else {
      total += std::llround(*v * static_cast<double>(unit->factor));
    }
    if (total > INT64_MAX) return std::nullopt;
    text.remove_prefix(n);
  }
  auto ns = static_cast<int64_t>(total);
  return negative ? -ns : ns;
}

std::optional<double> parse_bytes(std::string_view text) {
  auto v = take_number(text);
  if (!v) return std::nullopt;
  while (!text.empty() && text[0] == ' ') text.remove_prefix(1);
  std::string lower;
  for (char c : text.substr(0, 4)) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const NamedUnit& u : kBytes) {
    if (u.name == lower && text.size() == lower.size()) return *v * static_cast<double>(u.factor);
  }
  return std::nullopt;
}

std::string format_duration_ns(int64_t ns) {
  if (ns == 0) return "0s";
  std::string out;
  if (ns < 0) {
    out += '-';
    ns = -ns;
  }
  for (std::string_view name : {"h", "m", "s", "ms", "us", "ns"}) {
    for (const NamedUnit& u : kDurations) {
      if (u.name != name || ns < u.factor) continue;
      out += std::to_string(ns / u.factor);
      out += name;
      ns %= u.factor;
    }
  }
  return out;
}

std::string format_quantity(const Quantity& quantity) {
  switch (quantity.unit) {
    case Unit::kNumber:
      return fmt::format("{}", quantity.value);
    case Unit::kDuration:
      return format_duration_ns(quantity.ns);
    case Unit::kBytes:
      break;
  }
  // Never an exponent, which would read as something else before the unit.
  return fmt::format("{:.0f}B", quantity.value);
}

}  // namespace sonde::logql
