// A stretch of work as span, histogram, gauge and, where it went wrong or took long, one log line.
//
//   sonde::Observation o{"checkout", sonde::low("channel"_f = channel), sonde::high("cart_id"_f = cart.id)};
//   return pay(cart);
//
// `low` are keys with few values: they become labels of `checkout_seconds` and attributes of the span. `high`
// keys may have any number of values: they go to the span and the log line only, never into a label.
// `checkout_active` counts what is going on. An exception that passes makes it fail with error.type
// "exception"; it is not caught. The name is that of the span; characters that a metric name cannot have
// become
// `_`. All observations of one name have the same low keys in the same order.
//
// Threads: an observation belongs to the thread that made it. Failure: as for metrics and spans, silent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sonde/field.h"
#include "sonde/gauge.h"
#include "sonde/histogram.h"
#include "sonde/span.h"

namespace sonde::inline v1 {

inline constexpr size_t kObservationKeysMax = 8;  // of each kind; what is over is left out

template <size_t N>
struct LowKeys {
  Field fields[N];
};
template <size_t N>
struct HighKeys {
  Field fields[N];
};
template <class... F>
LowKeys<sizeof...(F)> low(const F&... fields) noexcept {
  static_assert(sizeof...(F) > 0 && sizeof...(F) <= kObservationKeysMax, "sonde: one to eight low keys");
  return {{fields...}};
}
template <class... F>
HighKeys<sizeof...(F)> high(const F&... fields) noexcept {
  static_assert(sizeof...(F) > 0 && sizeof...(F) <= kObservationKeysMax, "sonde: one to eight high keys");
  return {{fields...}};
}

class Observation {
 public:
  explicit Observation(std::string_view name) noexcept { start(name, nullptr, 0, nullptr, 0); }
  template <size_t L>
  Observation(std::string_view name, const LowKeys<L>& low) noexcept {
    start(name, low.fields, L, nullptr, 0);
  }
  template <size_t H>
  Observation(std::string_view name, const HighKeys<H>& high) noexcept {
    start(name, nullptr, 0, high.fields, H);
  }
  template <size_t L, size_t H>
  Observation(std::string_view name, const LowKeys<L>& low, const HighKeys<H>& high) noexcept {
    start(name, low.fields, L, high.fields, H);
  }
  ~Observation() { finish(); }
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

  // It failed. `type` is one of few words and becomes the label and attribute `error_type`; `detail` goes to
  // the span and the log.
  void error(std::string_view type, std::string_view detail = {}) noexcept;
  // A line is logged if it takes longer than this; 0: none. Default 0.
  void slow_after_ns(int64_t ns) noexcept { slow_ns_ = ns; }
  Span& span() noexcept { return *span_; }
  // Records; idempotent.
  void finish() noexcept;

 private:
  void start(std::string_view name, const Field* low, size_t lows, const Field* high, size_t highs) noexcept;

  std::optional<Span> span_;
  std::optional<InFlight> active_;
  std::string name_;
  std::string high_text_;  // for the log line: "key=value key=value"
  std::string error_type_;
  std::string error_detail_;
  const void* family_ = nullptr;
  std::string low_values_[kObservationKeysMax];
  size_t lows_ = 0;
  int64_t start_ns_ = 0;
  int64_t slow_ns_ = 0;
  int exceptions_ = 0;
};

}  // namespace sonde::inline v1
