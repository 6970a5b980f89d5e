// Arithmetic and statistics of native histograms, as Prometheus's model/histogram and promql define them.
//
// All functions are pure. Results of arithmetic are compacted: no empty buckets at the edges of spans.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/sample.h"

namespace sonde::promql {

// What happened while two histograms were joined.
struct JoinNotes {
  bool bounds_reconciled = false;  // custom buckets differed; only their common bounds are left
  bool reset_collision = false;    // one counted from a reset, the other not
};

bool has_custom_buckets(const NativeHistogram& h);

NativeHistogram scaled(const NativeHistogram& h, double factor);
NativeHistogram divided(const NativeHistogram& h, double divisor);
// a += sign·b. False, with `a` untouched, when one is exponential and the other has custom buckets.
bool join(NativeHistogram& a, const NativeHistogram& b, double sign, JoinNotes& notes);
// Between `a` (fraction 0) and `b` (1). A counter that was reset on the way starts from zero. Empty when the
// two do not go together.
std::optional<NativeHistogram> interpolated(const NativeHistogram& a, const NativeHistogram& b,
                                            double fraction, bool counter);

// A sum that loses no small terms (Neumaier), and can turn into a running mean when it overflows.
class HistogramSum {
 public:
  // Forgets what it has and begins with `first`.
  void start(const NativeHistogram& first);
  // False when `h` does not go with the others.
  bool add(const NativeHistogram& h, JoinNotes& notes);
  // As add, but keeps the average: finish() is then what average() is.
  bool add_to_average(const NativeHistogram& h, JoinNotes& notes);
  NativeHistogram finish() const;
  NativeHistogram average() const;

 private:
  bool overflowed() const;
  NativeHistogram sum_, c_;
  double count_ = 0;
  bool running_ = false;  // sum_ is the mean
};

// To a coarser schema (exponential only; no effect when `schema` is not below the present one).
NativeHistogram reduced(const NativeHistogram& h, int32_t schema);
NativeHistogram compacted(NativeHistogram h);

// Whether `current` cannot be a later state of `previous` without a reset between.
bool detect_reset(const NativeHistogram& current, const NativeHistogram& previous);
// Same schema, bounds, zero bucket and buckets (empty ones aside), count and sum.
bool same_histogram(const NativeHistogram& a, const NativeHistogram& b);

// One bucket with its bounds; counts are absolute.
struct HistogramBucket {
  double lower = 0;
  double upper = 0;
  bool lower_inclusive = false;
  bool upper_inclusive = true;
  double count = 0;
};
// From the most negative to the most positive one, the zero bucket between; empty ones left out but for
// custom buckets, where all are listed.
std::vector<HistogramBucket> all_buckets(const NativeHistogram& h);

// φ-quantile; `nan_share` tells that NaN observations had a say: 0 no, 1 skewed, 2 the result is NaN for it.
double histogram_quantile(double q, const NativeHistogram& h, int* nan_share = nullptr);
double histogram_fraction(double lower, double upper, const NativeHistogram& h, bool* nan_share = nullptr);
double histogram_variance(const NativeHistogram& h);
// Observations above (upper) or below (lower) `bound` cut off.
NativeHistogram trimmed(const NativeHistogram& h, double bound, bool upper);

// {count:3, sum:2.5, [-0.001,0.001]:1, (0.5,1]:2}
std::string to_string(const NativeHistogram& h);

}  // namespace sonde::promql
