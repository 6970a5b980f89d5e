#include "promql/native_histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "promql/evaluator.h"

namespace sonde::promql {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Buckets by index, ascending; what spans encode.
using Indexed = std::vector<std::pair<int64_t, double>>;

Indexed decode(const std::vector<HistogramSpan>& spans, const std::vector<double>& counts) {
  Indexed out;
  out.reserve(counts.size());
  int64_t index = 0;
  size_t k = 0;
  for (const HistogramSpan& s : spans) {
    index += s.offset;
    for (uint32_t i = 0; i < s.length && k < counts.size(); i++) out.emplace_back(index++, counts[k++]);
  }
  return out;
}

void encode(const Indexed& buckets, std::vector<HistogramSpan>& spans, std::vector<double>& counts) {
  spans.clear();
  counts.clear();
  int64_t next = 0;
  for (const auto& [index, count] : buckets) {
    if (count == 0) continue;
    if (!spans.empty() && index == next) {
      spans.back().length++;
    } else {
      spans.push_back({static_cast<int32_t>(index - next), 1});
    }
    counts.push_back(count);
    next = index + 1;
  }
}

Indexed merge(const Indexed& a, const Indexed& b, double sign) {
  Indexed out;
  out.reserve(a.size() + b.size());
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (j == b.size() || (i < a.size() && a[i].first < b[j].first)) {
      out.push_back(a[i++]);
    } else if (i == a.size() || b[j].first < a[i].first) {
      out.emplace_back(b[j].first, sign * b[j].second);
      j++;
    } else {
      out.emplace_back(a[i].first, a[i].second + sign * b[j].second);
      i++;
      j++;
    }
  }
  return out;
}

Indexed coarser(const Indexed& in, int32_t by) {
  Indexed out;
  for (const auto& [index, count] : in) {
    int64_t target = ((index - 1) >> by) + 1;
    if (!out.empty() && out.back().first == target) {
      out.back().second += count;
    } else {
      out.emplace_back(target, count);
    }
  }
  return out;
}

// Upper bound of bucket `index`: 2^(index·2^-schema).
double upper_bound(int64_t index, int32_t schema) {
  if (schema < 0)
    return std::ldexp(1.0, static_cast<int>(std::clamp<int64_t>(index << -schema, -1080, 1100)));
  int64_t whole = index >> schema;
  int64_t rest = index & ((int64_t{1} << schema) - 1);
  double fraction = std::exp2(static_cast<double>(rest) / static_cast<double>(int64_t{1} << schema));
  double bound = std::ldexp(fraction, static_cast<int>(std::clamp<int64_t>(whole, -1080, 1100)));
  return std::isinf(bound) && whole <= 1024 && rest == 0 ? std::numeric_limits<double>::max() : bound;
}

// Widens the zero bucket of `h` to `threshold`, taking in whole buckets; returns the threshold reached.
double widen_zero(NativeHistogram& h, double threshold) {
  if (threshold <= h.zero_threshold) return h.zero_threshold;
  auto positive = decode(h.positive_spans, h.positive_buckets);
  auto negative = decode(h.negative_spans, h.negative_buckets);
  bool again = true;
  while (again) {
    again = false;
    for (auto* side : {&positive, &negative}) {
      for (auto& [index, count] : *side) {
        if (count == 0) continue;
        double lower = upper_bound(index - 1, h.schema);
        if (lower >= threshold) break;
        double upper = upper_bound(index, h.schema);
        h.zero_count += count;
        count = 0;
        if (upper > threshold) {
          threshold = upper;
          again = true;
        }
      }
    }
  }
  h.zero_threshold = threshold;
  encode(positive, h.positive_spans, h.positive_buckets);
  encode(negative, h.negative_spans, h.negative_buckets);
  return threshold;
}

void same_zero(NativeHistogram& a, NativeHistogram& b) {
  while (a.zero_threshold != b.zero_threshold) {
    widen_zero(a, b.zero_threshold);
    widen_zero(b, a.zero_threshold);
  }
}

// Custom bucket counts summed up to the bounds that both have.
NativeHistogram on_bounds(const NativeHistogram& h, const std::vector<double>& bounds) {
  NativeHistogram out = h;
  Indexed buckets;
  for (const auto& [index, count] : decode(h.positive_spans, h.positive_buckets)) {
    double upper = static_cast<size_t>(index) < h.custom_values.size()
                       ? h.custom_values[static_cast<size_t>(index)]
                       : kInf;
    auto target = std::lower_bound(bounds.begin(), bounds.end(), upper) - bounds.begin();
    if (!buckets.empty() && buckets.back().first == target) {
      buckets.back().second += count;
    } else {
      buckets.emplace_back(target, count);
    }
  }
  out.custom_values = bounds;
  encode(buckets, out.positive_spans, out.positive_buckets);
  return out;
}

CounterReset joined_hint(CounterReset a, CounterReset b, JoinNotes& notes) {
  if (a == b || a == CounterReset::kGauge) return a;
  if (b == CounterReset::kGauge) return b;
  if (a == CounterReset::kUnknown || b == CounterReset::kUnknown) return CounterReset::kUnknown;
  notes.reset_collision = true;
  return CounterReset::kUnknown;
}

void for_each_count(NativeHistogram& h, auto f) {
  f(h.zero_count);
  f(h.count);
  f(h.sum);
  for (double& c : h.positive_buckets) f(c);
  for (double& c : h.negative_buckets) f(c);
}

}  // namespace

bool has_custom_buckets(const NativeHistogram& h) { return h.schema == kCustomBucketsSchema; }

NativeHistogram scaled(const NativeHistogram& h, double factor) {
  NativeHistogram out = h;
  for_each_count(out, [factor](double& c) { c *= factor; });
  if (factor < 0) out.counter_reset = CounterReset::kGauge;
  return compacted(std::move(out));
}

NativeHistogram divided(const NativeHistogram& h, double divisor) {
  NativeHistogram out = h;
  for_each_count(out, [divisor](double& c) { c /= divisor; });
  if (divisor < 0) out.counter_reset = CounterReset::kGauge;
  if (divisor == 0) {
    // Division by zero leaves no buckets.
    out.positive_spans.clear();
    out.negative_spans.clear();
    out.positive_buckets.clear();
    out.negative_buckets.clear();
    return out;
  }
  return compacted(std::move(out));
}

NativeHistogram compacted(NativeHistogram h) {
  auto clean = [](std::vector<HistogramSpan>& spans, std::vector<double>& counts) {
    if (counts.empty()) {
      spans.clear();
      return;
    }
    Indexed buckets = decode(spans, counts);
    encode(buckets, spans, counts);
  };
  clean(h.positive_spans, h.positive_buckets);
  clean(h.negative_spans, h.negative_buckets);
  return h;
}

NativeHistogram reduced(const NativeHistogram& h, int32_t schema) {
  if (has_custom_buckets(h) || schema >= h.schema) return h;
  NativeHistogram out = h;
  int32_t by = h.schema - schema;
  out.schema = schema;
  encode(coarser(decode(h.positive_spans, h.positive_buckets), by), out.positive_spans, out.positive_buckets);
  encode(coarser(decode(h.negative_spans, h.negative_buckets), by), out.negative_spans, out.negative_buckets);
  return out;
}

bool join(NativeHistogram& a, const NativeHistogram& b_in, double sign, JoinNotes& notes) {
  if (has_custom_buckets(a) != has_custom_buckets(b_in)) return false;
  NativeHistogram b = b_in;
  if (has_custom_buckets(a)) {
    if (a.custom_values != b.custom_values) {
      std::vector<double> bounds;
      std::set_intersection(a.custom_values.begin(), a.custom_values.end(), b.custom_values.begin(),
                            b.custom_values.end(), std::back_inserter(bounds));
      a = on_bounds(a, bounds);
      b = on_bounds(b, bounds);
      notes.bounds_reconciled = true;
    }
  } else {
    same_zero(a, b);
    int32_t schema = std::min(a.schema, b.schema);
    a = reduced(a, schema);
    b = reduced(b, schema);
  }
  a.counter_reset = joined_hint(a.counter_reset, b.counter_reset, notes);
  a.zero_count += sign * b.zero_count;
  a.count += sign * b.count;
  a.sum += sign * b.sum;
  encode(
      merge(decode(a.positive_spans, a.positive_buckets), decode(b.positive_spans, b.positive_buckets), sign),
      a.positive_spans, a.positive_buckets);
  encode(
      merge(decode(a.negative_spans, a.negative_buckets), decode(b.negative_spans, b.negative_buckets), sign),
      a.negative_spans, a.negative_buckets);
  return true;
}

std::optional<NativeHistogram> interpolated(const NativeHistogram& a, const NativeHistogram& b,
                                            double fraction, bool counter) {
  if (has_custom_buckets(a) != has_custom_buckets(b)) return std::nullopt;
  if (counter && detect_reset(b, a)) return scaled(b, fraction);
  NativeHistogram difference = b;
  JoinNotes notes;
  if (!join(difference, a, -1, notes)) return std::nullopt;
  NativeHistogram out = a;
  if (!join(out, scaled(difference, fraction), 1, notes)) return std::nullopt;
  out.counter_reset = a.counter_reset;
  return compacted(std::move(out));
}

void HistogramSum::start(const NativeHistogram& first) {
  sum_ = first;
  c_ = {};
  count_ = 1;
  running_ = false;
}

bool HistogramSum::add(const NativeHistogram& in, JoinNotes& notes) {
  if (has_custom_buckets(sum_) != has_custom_buckets(in)) return false;
  NativeHistogram h = in;
  c_.schema = sum_.schema;
  c_.zero_threshold = sum_.zero_threshold;
  c_.custom_values = sum_.custom_values;
  if (has_custom_buckets(sum_)) {
    if (sum_.custom_values != h.custom_values) {
      std::vector<double> bounds;
      std::set_intersection(sum_.custom_values.begin(), sum_.custom_values.end(), h.custom_values.begin(),
                            h.custom_values.end(), std::back_inserter(bounds));
      sum_ = on_bounds(sum_, bounds);
      c_ = on_bounds(c_, bounds);
      h = on_bounds(h, bounds);
      notes.bounds_reconciled = true;
    }
  } else {
    same_zero(sum_, h);
    widen_zero(c_, sum_.zero_threshold);
    int32_t schema = std::min(sum_.schema, h.schema);
    sum_ = reduced(sum_, schema);
    c_ = reduced(c_, schema);
    h = reduced(h, schema);
  }
  sum_.counter_reset = joined_hint(sum_.counter_reset, h.counter_reset, notes);
  kahan_add(h.zero_count, sum_.zero_count, c_.zero_count);
  kahan_add(h.count, sum_.count, c_.count);
  kahan_add(h.sum, sum_.sum, c_.sum);
  auto side = [](std::vector<HistogramSpan>& spans, std::vector<double>& counts,
                 std::vector<HistogramSpan>& c_spans, std::vector<double>& c_counts,
                 const std::vector<HistogramSpan>& h_spans, const std::vector<double>& h_counts) {
    std::map<int64_t, std::pair<double, double>> cells;
    for (const auto& [index, v] : decode(spans, counts)) cells[index].first = v;
    for (const auto& [index, v] : decode(c_spans, c_counts)) cells[index].second = v;
    for (const auto& [index, v] : decode(h_spans, h_counts))
      kahan_add(v, cells[index].first, cells[index].second);
    Indexed sums, compensations;
    for (const auto& [index, cell] : cells) {
      sums.emplace_back(index, cell.first);
      compensations.emplace_back(index, cell.second);
    }
    encode(sums, spans, counts);
    encode(compensations, c_spans, c_counts);
  };
  side(sum_.positive_spans, sum_.positive_buckets, c_.positive_spans, c_.positive_buckets, h.positive_spans,
       h.positive_buckets);
  side(sum_.negative_spans, sum_.negative_buckets, c_.negative_spans, c_.negative_buckets, h.negative_spans,
       h.negative_buckets);
  count_++;
  return true;
}

bool HistogramSum::overflowed() const {
  auto endless = [](double v) { return std::isinf(v); };
  return endless(sum_.count) || endless(sum_.sum) || endless(sum_.zero_count) ||
         std::any_of(sum_.positive_buckets.begin(), sum_.positive_buckets.end(), endless) ||
         std::any_of(sum_.negative_buckets.begin(), sum_.negative_buckets.end(), endless);
}

bool HistogramSum::add_to_average(const NativeHistogram& h, JoinNotes& notes) {
  if (!running_) {
    HistogramSum before = *this;
    if (!add(h, notes)) return false;
    if (!overflowed()) return true;
    *this = std::move(before);
    CounterReset hint = sum_.counter_reset;
    sum_ = divided(sum_, count_);
    sum_.counter_reset = hint;
    c_ = divided(c_, count_);
    running_ = true;
  }
  double n = count_ + 1;
  CounterReset hint = sum_.counter_reset;
  sum_ = scaled(sum_, (n - 1) / n);
  sum_.counter_reset = hint;
  c_ = scaled(c_, (n - 1) / n);
  NativeHistogram part = divided(h, n);
  part.counter_reset = h.counter_reset;
  return add(part, notes);
}

NativeHistogram HistogramSum::finish() const {
  NativeHistogram out = sum_, c = c_;
  CounterReset hint = out.counter_reset;
  c.schema = out.schema;
  c.zero_threshold = out.zero_threshold;
  c.custom_values = out.custom_values;
  JoinNotes notes;
  join(out, c, 1, notes);
  out.counter_reset = hint;
  return compacted(std::move(out));
}

NativeHistogram HistogramSum::average() const {
  if (running_) return finish();
  NativeHistogram h = finish();
  CounterReset hint = h.counter_reset;
  h = divided(h, count_);
  h.counter_reset = hint;
  return h;
}

bool detect_reset(const NativeHistogram& cur, const NativeHistogram& prev) {
  if (cur.counter_reset == CounterReset::kReset) return true;
  if (cur.counter_reset == CounterReset::kNoReset) return false;
  if (cur.counter_reset == CounterReset::kGauge || prev.counter_reset == CounterReset::kGauge) return false;
  if (cur.count < prev.count) return true;
  if (has_custom_buckets(cur) != has_custom_buckets(prev)) return true;
  NativeHistogram p = prev, c = cur;
  if (has_custom_buckets(cur)) {
    if (cur.custom_values != prev.custom_values) {
      std::vector<double> bounds;
      std::set_intersection(cur.custom_values.begin(), cur.custom_values.end(), prev.custom_values.begin(),
                            prev.custom_values.end(), std::back_inserter(bounds));
      p = on_bounds(prev, bounds);
      c = on_bounds(cur, bounds);
    }
  } else {
    if (cur.schema > prev.schema) return true;
    if (cur.zero_threshold < prev.zero_threshold) return true;
    if (widen_zero(p, cur.zero_threshold) != cur.zero_threshold) return true;
    if (cur.zero_count < p.zero_count) return true;
    p = reduced(p, cur.schema);
  }
  auto shrinks = [](const Indexed& now, const Indexed& before) {
    for (const auto& [index, count] : before) {
      auto it = std::lower_bound(now.begin(), now.end(), index,
                                 [](const auto& e, int64_t i) { return e.first < i; });
      double have = it != now.end() && it->first == index ? it->second : 0;
      if (have < count) return true;
    }
    return false;
  };
  return shrinks(decode(c.positive_spans, c.positive_buckets),
                 decode(p.positive_spans, p.positive_buckets)) ||
         shrinks(decode(c.negative_spans, c.negative_buckets), decode(p.negative_spans, p.negative_buckets));
}

bool same_histogram(const NativeHistogram& x, const NativeHistogram& y) {
  NativeHistogram a = compacted(x), b = compacted(y);
  bool same_sum = a.sum == b.sum || (std::isnan(a.sum) && std::isnan(b.sum));
  return same_sum && a.schema == b.schema && a.count == b.count && a.zero_threshold == b.zero_threshold &&
         a.zero_count == b.zero_count && a.custom_values == b.custom_values &&
         a.positive_spans == b.positive_spans && a.negative_spans == b.negative_spans &&
         a.positive_buckets == b.positive_buckets && a.negative_buckets == b.negative_buckets;
}

std::vector<HistogramBucket> all_buckets(const NativeHistogram& h) {
  std::vector<HistogramBucket> out;
  auto positive = decode(h.positive_spans, h.positive_buckets);
  if (has_custom_buckets(h)) {
    for (const auto& [index, count] : positive) {
      auto i = static_cast<size_t>(index);
      double lower = index <= 0 ? -kInf : i - 1 < h.custom_values.size() ? h.custom_values[i - 1] : kInf;
      double upper = i < h.custom_values.size() ? h.custom_values[i] : kInf;
      out.push_back({lower, upper, index <= 0, true, count});
    }
    return out;
  }
  auto negative = decode(h.negative_spans, h.negative_buckets);
  for (auto it = negative.rbegin(); it != negative.rend(); ++it) {
    out.push_back(
        {-upper_bound(it->first, h.schema), -upper_bound(it->first - 1, h.schema), true, false, it->second});
  }
  if (h.zero_count != 0) out.push_back({-h.zero_threshold, h.zero_threshold, true, true, h.zero_count});
  for (const auto& [index, count] : positive) {
    out.push_back({upper_bound(index - 1, h.schema), upper_bound(index, h.schema), false, true, count});
  }
  // The zero bucket may have grown into its neighbours.
  for (auto& b : out) {
    if (b.lower > 0 && b.lower < h.zero_threshold) b.lower = std::min(h.zero_threshold, b.upper);
    if (b.upper < 0 && b.upper > -h.zero_threshold) b.upper = std::max(-h.zero_threshold, b.lower);
  }
  return out;
}

namespace {

// The zero bucket reaches only to the sides that have observations; custom buckets start at 0 if they can.
void adjust_bounds(const NativeHistogram& h, HistogramBucket& b) {
  if (has_custom_buckets(h)) {
    if (std::isinf(b.lower) && b.lower < 0 && b.upper > 0) b.lower = 0;
  } else if (b.lower < 0 && b.upper > 0) {
    if (h.negative_buckets.empty() && !h.positive_buckets.empty()) b.lower = 0;
    if (h.positive_buckets.empty() && !h.negative_buckets.empty()) b.upper = 0;
  }
}

bool linear(const NativeHistogram& h, const HistogramBucket& b) {
  return has_custom_buckets(h) || (b.lower <= 0 && b.upper >= 0);
}

// Which part of the bucket lies below `v`.
double part_below(const NativeHistogram& h, const HistogramBucket& b, double v) {
  if (linear(h, b)) return (v - b.lower) / (b.upper - b.lower);
  double log_lower = std::log2(std::fabs(b.lower)), log_upper = std::log2(std::fabs(b.upper));
  double log_v = std::log2(std::fabs(v));
  if (v > 0) return (log_v - log_lower) / (log_upper - log_lower);
  return 1 - (log_v - log_upper) / (log_lower - log_upper);
}

}  // namespace

double histogram_quantile(double q, const NativeHistogram& h, int* nan_share) {
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (h.count == 0 || std::isnan(q)) return kNan;
  auto buckets = all_buckets(h);
  bool nan_sum = std::isnan(h.sum);
  bool forward = nan_sum || q < 0.5;
  if (!forward) std::reverse(buckets.begin(), buckets.end());
  double rank = (forward ? q : 1 - q) * h.count;
  HistogramBucket b;
  double count = 0;
  for (const auto& next : buckets) {
    if (next.count == 0) continue;
    b = next;
    count += b.count;
    if (count >= rank) break;
  }
  if (has_custom_buckets(h)) {
    if (std::isinf(b.lower) && b.lower < 0 && b.upper <= 0) return b.upper;
    if (std::isinf(b.upper) && std::isfinite(b.lower)) {
      // Fall through to the NaN check below first.
      if (!(nan_sum && count < rank)) return b.lower;
    }
  }
  adjust_bounds(h, b);
  count = std::min(count, h.count);
  if (nan_sum && nan_share) {
    // Observations of NaN are in the count, but in no bucket.
    double in_buckets = 0;
    for (const auto& each : buckets) in_buckets += each.count;
    if (in_buckets < h.count) *nan_share = count < rank ? 2 : 1;
  }
  if (count < rank) return nan_sum ? kNan : b.upper;
  if (forward) {
    rank -= count - b.count;
  } else {
    rank = count - rank;
  }
  double fraction = rank / b.count;
  if (linear(h, b)) return b.lower + (b.upper - b.lower) * fraction;
  double log_lower = std::log2(std::fabs(b.lower)), log_upper = std::log2(std::fabs(b.upper));
  if (b.lower > 0) return std::exp2(log_lower + (log_upper - log_lower) * fraction);
  return -std::exp2(log_upper + (log_lower - log_upper) * (1 - fraction));
}

double histogram_fraction(double lower, double upper, const NativeHistogram& h, bool* nan_share) {
  if (h.count == 0 || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (nan_share && std::isnan(h.sum)) {
    double in_buckets = 0;
    for (const auto& b : all_buckets(h)) in_buckets += b.count;
    *nan_share = in_buckets < h.count;
  }
  if (lower >= upper) return 0;
  double rank = 0, lower_rank = 0, upper_rank = 0;
  bool lower_set = false, upper_set = false;
  for (HistogramBucket b : all_buckets(h)) {
    adjust_bounds(h, b);
    bool endless = std::isinf(b.lower) || std::isinf(b.upper);
    if (!lower_set && b.lower >= lower) {
      lower_rank = rank;
      lower_set = true;
    }
    if (!upper_set && b.lower >= upper) {
      upper_rank = rank;
      upper_set = true;
    }
    if (lower_set && upper_set) break;
    if (!lower_set && b.upper > lower) {
      lower_rank = rank + (endless ? (std::isinf(b.upper) ? 0 : b.count) : b.count * part_below(h, b, lower));
      lower_set = true;
    }
    if (!upper_set && b.upper > upper) {
      upper_rank = rank + (endless ? (std::isinf(b.upper) ? 0 : b.count) : b.count * part_below(h, b, upper));
      upper_set = true;
    }
    if (lower_set && upper_set) break;
    rank += b.count;
  }
  double total = std::isnan(h.sum) ? rank : h.count;
  if (!lower_set || lower_rank > h.count) lower_rank = std::min(total, h.count);
  if (!upper_set || upper_rank > h.count) upper_rank = std::min(total, h.count);
  return std::max(0.0, upper_rank - lower_rank) / h.count;
}

double histogram_variance(const NativeHistogram& h) {
  double mean = h.sum / h.count;
  double sum = 0, c = 0;
  for (const HistogramBucket& b : all_buckets(h)) {
    if (b.count == 0) continue;
    double v = 0;
    if (has_custom_buckets(h)) {
      v = (b.upper + b.lower) / 2;
    } else if (b.lower <= 0 && b.upper >= 0) {
      v = 0;
    } else {
      v = std::sqrt(b.upper * b.lower);
      if (b.upper < 0) v = -v;
    }
    double delta = v - mean;
    kahan_add(b.count * delta * delta, sum, c);
  }
  return (sum + c) / h.count;
}

std::string to_string(const NativeHistogram& h) {
  std::string out = "{count:" + format_g(h.count) + ", sum:" + format_g(h.sum);
  for (const HistogramBucket& b : all_buckets(h)) {
    if (b.count == 0) continue;
    out += std::string(", ") + (b.lower_inclusive ? "[" : "(") + format_g(b.lower) + "," + format_g(b.upper) +
           (b.upper_inclusive ? "]" : ")") + ":" + format_g(b.count);
  }
  return out + "}";
}

namespace {

// What of a bucket is kept, and where its middle is.
double middle(bool is_linear, double lower, double upper) {
  if (std::isinf(lower) && std::isinf(upper)) return 0;
  if (std::isinf(lower)) return upper;
  if (std::isinf(upper)) return lower;
  if (is_linear) return (lower + upper) / 2;
  double v = std::sqrt(lower * upper);
  return upper < 0 || lower < 0 ? -v : v;
}

}  // namespace

NativeHistogram trimmed(const NativeHistogram& in, double bound, bool cut_upper) {
  NativeHistogram h = compacted(in);
  if (std::isnan(bound)) bound = cut_upper ? -kInf : kInf;
  double kept_sum = 0;
  double kept_count = 0;
  bool cut_anything = false;
  auto keep = [&](HistogramBucket b) {
    if (b.count == 0) return 0.0;
    HistogramBucket a = b;
    adjust_bounds(h, a);
    bool all = cut_upper ? a.upper <= bound : a.lower >= bound;
    bool none = cut_upper ? a.lower >= bound : a.upper <= bound;
    // Where in a bucket without a lower end its observations lie is known only from 0 on.
    bool unknown = !cut_upper && std::isinf(b.lower) && b.lower < bound && bound < 0;
    all = all && !unknown;
    none = none || unknown;
    double kept = b.count;
    double lower = a.lower, upper = a.upper;
    if (all) {
      kept_sum += kept * middle(linear(h, a), lower, upper);
    } else {
      cut_anything = true;
      if (none) {
        kept = 0;
      } else {
        bool endless = std::isinf(b.lower) || std::isinf(b.upper);
        if (endless && (std::isinf(a.lower) || std::isinf(a.upper))) {
          // Not to be divided: kept, as if all lay at the bound, where its finite edge is on the side that
          // goes.
          bool both = std::isinf(b.lower) && std::isinf(b.upper);
          bool stays = !both && (cut_upper ? std::isinf(a.lower) : std::isinf(a.upper));
          if (stays) {
            kept_sum += kept * bound;
            kept_count += kept;
            return kept;
          }
          kept = 0;
        } else {
          double below = part_below(h, a, bound);
          kept = b.count * (cut_upper ? below : 1 - below);
          (cut_upper ? upper : lower) = bound;
        }
      }
      if (kept != 0) kept_sum += kept * middle(linear(h, a), lower, upper);
    }
    kept_count += kept;
    return kept;
  };
  auto each = [&](const std::vector<HistogramSpan>& spans, std::vector<double>& counts, bool negative) {
    Indexed buckets = decode(spans, counts);
    for (size_t i = 0; i < buckets.size(); i++) {
      int64_t index = buckets[i].first;
      HistogramBucket b;
      b.count = counts[i];
      if (has_custom_buckets(h)) {
        auto k = static_cast<size_t>(index);
        b.lower = index <= 0 ? -kInf : h.custom_values[k - 1];
        b.upper = k < h.custom_values.size() ? h.custom_values[k] : kInf;
      } else {
        b.lower = upper_bound(index - 1, h.schema);
        b.upper = upper_bound(index, h.schema);
        if (negative) {
          std::swap(b.lower, b.upper);
          b.lower = -b.lower;
          b.upper = -b.upper;
        }
      }
      counts[i] = keep(b);
    }
  };
  NativeHistogram out = h;
  each(h.positive_spans, out.positive_buckets, false);
  each(h.negative_spans, out.negative_buckets, true);
  if (h.zero_count != 0) {
    out.zero_count = keep({-h.zero_threshold, h.zero_threshold, true, true, h.zero_count});
  }
  if (!cut_anything) return h;
  out.count = kept_count;
  out.sum = kept_count == 0 ? 0 : kept_sum;
  return compacted(std::move(out));
}

}  // namespace sonde::promql
