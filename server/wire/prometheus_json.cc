#include "wire/prometheus_json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace sonde::wire {
namespace {

void write_bucket(JsonWriter& json, int kind, double lower, double upper, double count) {
  if (count == 0) return;
  json.begin_array().integer(kind).value_string(lower).value_string(upper).value_string(count).end_array();
}

struct IndexedCount {
  int32_t index;
  double count;
};

// Buckets with their indexes, ascending; stops where spans and counts disagree.
std::vector<IndexedCount> indexed(const std::vector<HistogramSpan>& spans,
                                  const std::vector<double>& counts) {
  std::vector<IndexedCount> out;
  out.reserve(counts.size());
  int64_t index = 0;
  for (const HistogramSpan& span : spans) {
    index += span.offset;
    for (uint32_t i = 0; i < span.length; i++, index++) {
      if (out.size() == counts.size()) return out;
      out.push_back({static_cast<int32_t>(index), counts[out.size()]});
    }
  }
  return out;
}

}  // namespace

double native_bucket_bound(int32_t schema, int32_t index, const std::vector<double>& custom_values) {
  if (schema == kCustomBucketsSchema) {
    if (index < 0) return -std::numeric_limits<double>::infinity();
    auto i = static_cast<size_t>(index);
    return i < custom_values.size() ? custom_values[i] : std::numeric_limits<double>::infinity();
  }
  // The largest finite bucket ends at the largest double instead of 2^1024, so that +Inf has its own.
  if (schema < 0) {
    int64_t exponent = static_cast<int64_t>(index) << std::min(-schema, 30);
    if (exponent == 1024) return std::numeric_limits<double>::max();
    return std::ldexp(1.0, static_cast<int>(std::clamp<int64_t>(exponent, -4096, 4096)));
  }
  int shift = std::min(schema, 30);
  int32_t whole = index >> shift;
  int32_t part = index & ((1 << shift) - 1);
  if (part == 0 && whole == 1024) return std::numeric_limits<double>::max();
  long double fraction = exp2l(static_cast<long double>(part) / static_cast<long double>(1 << shift));
  return std::ldexp(static_cast<double>(fraction), std::clamp(whole, -4096, 4096));
}

void write_labels(JsonWriter& json, const LabelSet& labels) {
  json.begin_object();
  for (LabelView l : labels) json.key(l.name).string(l.value);
  json.end_object();
}

void write_timestamp(JsonWriter& json, Timestamp t) {
  json.separate();
  std::string& out = json.buffer();
  // As unsigned: the magnitude of the smallest int64 has no positive counterpart.
  uint64_t magnitude = t.ms < 0 ? 0 - static_cast<uint64_t>(t.ms) : static_cast<uint64_t>(t.ms);
  if (t.ms < 0) out += '-';
  char buf[24];
  auto r = std::to_chars(buf, buf + sizeof buf, magnitude / 1000);
  out.append(buf, r.ptr);
  auto rest = static_cast<int>(magnitude % 1000);
  if (rest == 0) return;
  char digits[4] = {'.', static_cast<char>('0' + rest / 100), static_cast<char>('0' + rest / 10 % 10),
                    static_cast<char>('0' + rest % 10)};
  size_t n = digits[3] != '0' ? 4 : digits[2] != '0' ? 3 : 2;
  out.append(digits, n);
}

void write_sample(JsonWriter& json, Sample sample) {
  json.begin_array();
  write_timestamp(json, sample.t);
  json.value_string(sample.v).end_array();
}

void write_histogram(JsonWriter& json, const NativeHistogram& h) {
  json.begin_object();
  json.key("count").value_string(h.count);
  json.key("sum").value_string(h.sum);
  auto negative = indexed(h.negative_spans, h.negative_buckets);
  auto positive = indexed(h.positive_spans, h.positive_buckets);
  bool any = h.zero_count != 0;
  for (const auto& b : negative) any = any || b.count != 0;
  for (const auto& b : positive) any = any || b.count != 0;
  if (any) {
    json.key("buckets").begin_array();
    for (auto b = negative.rbegin(); b != negative.rend(); ++b) {
      write_bucket(json, 1, -native_bucket_bound(h.schema, b->index, h.custom_values),
                   -native_bucket_bound(h.schema, b->index - 1, h.custom_values), b->count);
    }
    write_bucket(json, 3, -h.zero_threshold, h.zero_threshold, h.zero_count);
    for (const auto& b : positive) {
      bool closed_below = h.schema == kCustomBucketsSchema && b.index == 0;
      write_bucket(json, closed_below ? 3 : 0, native_bucket_bound(h.schema, b.index - 1, h.custom_values),
                   native_bucket_bound(h.schema, b.index, h.custom_values), b.count);
    }
    json.end_array();
  }
  json.end_object();
}

void write_histogram_sample(JsonWriter& json, Timestamp t, const NativeHistogram& h) {
  json.begin_array();
  write_timestamp(json, t);
  write_histogram(json, h);
  json.end_array();
}

}  // namespace sonde::wire
