// Metric values: floats, native histograms, exemplars, metadata.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/labels.h"

namespace sonde {

// The NaN that marks the end of a series (Prometheus's StaleNaN), and the one that arithmetic makes.
inline constexpr uint64_t kStaleNanBits = 0x7ff0000000000002;
inline constexpr uint64_t kNormalNanBits = 0x7ff8000000000001;
inline double stale_nan() { return std::bit_cast<double>(kStaleNanBits); }
inline bool is_stale(double v) { return std::bit_cast<uint64_t>(v) == kStaleNanBits; }

struct Sample {
  Timestamp t;
  double v = 0;
};

// A run of buckets: `offset` is the gap to the end of the previous span (the first: to bucket 0), `length`
// buckets follow.
struct HistogramSpan {
  int32_t offset = 0;
  uint32_t length = 0;
  bool operator==(const HistogramSpan&) const = default;
};

enum class CounterReset : uint8_t { kUnknown, kReset, kNoReset, kGauge };

// A native histogram with absolute float bucket counts. Schema -4…8: exponential, base 2^(2^-schema);
// kCustomBucketsSchema: `custom_values` are the upper bounds, positive buckets only.
// A histogram whose `sum` is the stale NaN is a staleness marker.
inline constexpr int32_t kCustomBucketsSchema = -53;
struct NativeHistogram {
  int32_t schema = 0;
  CounterReset counter_reset = CounterReset::kUnknown;
  double zero_threshold = 0;
  double zero_count = 0;
  double count = 0;
  double sum = 0;
  std::vector<HistogramSpan> positive_spans;
  std::vector<HistogramSpan> negative_spans;
  std::vector<double> positive_buckets;
  std::vector<double> negative_buckets;
  std::vector<double> custom_values;
  bool operator==(const NativeHistogram&) const = default;
};

struct Exemplar {
  LabelSet labels;  // trace_id, span_id, …
  double value = 0;
  std::optional<Timestamp> t;
};

enum class MetricType : uint8_t {
  kUnknown,
  kCounter,
  kGauge,
  kHistogram,
  kGaugeHistogram,
  kSummary,
  kInfo,
  kStateset
};
// "counter", "gauge", …, "unknown": as in the HTTP API.
const char* to_string(MetricType type);
MetricType metric_type_from(std::string_view text);

struct Metadata {
  MetricType type = MetricType::kUnknown;
  std::string help;
  std::string unit;
  bool operator==(const Metadata&) const = default;
};

// Shortest text that reads back as the same double; 'f' form except |v| < 1e-6 or ≥ 1e21 ('e'); NaN, +Inf,
// -Inf: how Prometheus prints sample values in its HTTP API.
std::string format_value(double v);
void append_value(std::string& out, double v);

}  // namespace sonde
