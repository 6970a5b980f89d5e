// Metric and label names as template arguments, and the rules they are held to at compile time.
// Source of the rules: Prometheus data model and naming practices; OpenMetrics 1.0, "Suffixes".
#pragma once

#include <cstddef>
#include <string_view>

namespace sonde::inline v1 {

// A string literal that can be a template argument.
template <size_t N>
struct FixedString {
  char text[N]{};

  consteval FixedString(const char (&literal)[N]) {  // NOLINT: implicit, so that "name" is an argument
    for (size_t i = 0; i < N; i++) text[i] = literal[i];
  }
  constexpr std::string_view view() const { return {text, N - 1}; }
};

namespace detail {

constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr bool is_metric_name(std::string_view name) {
  if (name.empty() || name.size() > 200) return false;
  for (size_t i = 0; i < name.size(); i++) {
    char c = name[i];
    if (!(is_letter(c) || c == ':' || (i > 0 && is_digit(c)))) return false;
  }
  return true;
}

constexpr bool is_label_name(std::string_view name) {
  if (name.empty() || name.size() > 100) return false;
  for (size_t i = 0; i < name.size(); i++) {
    if (!(is_letter(name[i]) || (i > 0 && is_digit(name[i])))) return false;
  }
  return true;
}

// `le` and `quantile` belong to histograms and summaries, `__*` to Prometheus.
constexpr bool is_reserved_label(std::string_view name) {
  return name == "le" || name == "quantile" || name.starts_with("__");
}

// Suffixes that an exposition format gives a meaning of its own.
constexpr bool has_reserved_suffix(std::string_view name) {
  return name.ends_with("_total") || name.ends_with("_bucket") || name.ends_with("_count") ||
         name.ends_with("_sum") || name.ends_with("_created");
}

template <FixedString... Labels>
consteval bool all_label_names() {
  return (is_label_name(Labels.view()) && ...);
}

template <FixedString... Labels>
consteval bool no_reserved_labels() {
  return (!is_reserved_label(Labels.view()) && ...);
}

template <FixedString... Labels>
consteval bool no_duplicate_labels() {
  constexpr size_t n = sizeof...(Labels);
  const std::string_view names[n + 1] = {Labels.view()..., std::string_view{}};
  for (size_t i = 0; i < n; i++) {
    for (size_t j = i + 1; j < n; j++) {
      if (names[i] == names[j]) return false;
    }
  }
  return true;
}

template <FixedString... Labels>
struct LabelNames {
  static_assert(all_label_names<Labels...>(), "sonde: a label name must match [a-zA-Z_][a-zA-Z0-9_]*");
  static_assert(no_reserved_labels<Labels...>(), "sonde: le, quantile and __* are reserved label names");
  static_assert(no_duplicate_labels<Labels...>(), "sonde: a label name appears twice");
  static_assert(sizeof...(Labels) <= 16, "sonde: at most 16 labels");
  static constexpr size_t kCount = sizeof...(Labels);
  static constexpr std::string_view kNames[kCount + 1] = {Labels.view()..., std::string_view{}};
};

}  // namespace detail
}  // namespace sonde::inline v1
