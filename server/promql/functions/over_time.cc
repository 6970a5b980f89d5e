// Statistics over a window: *_over_time.
#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/evaluator.h"
#include "promql/native_histogram.h"

namespace sonde::promql {
namespace {

constexpr const char* kMixed = "encountered a mix of histograms and floats";
constexpr const char* kIgnored = "ignored histograms in a range containing both floats and histograms";
constexpr const char* kMixedSchemas =
    "vector contains a mix of histograms with exponential and custom buckets schemas";

// Floats only; histograms beside them are remarked on.
bool floats_only(const Window& w, const WindowCall& call) {
  if (w.float_count() == 0) return false;
  if (w.histogram_count() > 0) call.info(kIgnored);
  return true;
}

bool sum_histograms(const Window& w, const WindowCall& call, Output& out, bool average) {
  HistogramSum total;
  total.start(*w.histograms()[0]);
  CounterReset first = w.histograms()[0]->counter_reset;
  bool reset = first == CounterReset::kReset, no_reset = first == CounterReset::kNoReset;
  bool reconciled = false;
  for (size_t i = 1; i < w.histogram_count(); i++) {
    const NativeHistogram& h = *w.histograms()[i];
    reset |= h.counter_reset == CounterReset::kReset;
    no_reset |= h.counter_reset == CounterReset::kNoReset;
    JoinNotes notes;
    if (!(average ? total.add_to_average(h, notes) : total.add(h, notes))) {
      call.warn(kMixedSchemas);
      return false;
    }
    reconciled |= notes.bounds_reconciled;
  }
  NativeHistogram sum = average ? total.average() : total.finish();
  if (reset && no_reset) {
    call.ev.warn(call.matrix_pos, "conflicting counter resets during histogram aggregation");
    sum.counter_reset = CounterReset::kUnknown;
  }
  if (reconciled)
    call.ev.info(call.matrix_pos, "mismatched custom buckets were reconciled during aggregation");
  out.histogram = std::make_shared<const NativeHistogram>(std::move(sum));
  return true;
}

bool sum_over_time(const Window& w, WindowCall& call, Output& out) {
  if (w.float_count() > 0 && w.histogram_count() > 0) {
    call.warn(kMixed);
    return false;
  }
  if (w.histogram_count() > 0) return sum_histograms(w, call, out, false);
  double sum = 0, c = 0;
  for (double v : w.floats()) kahan_add(v, sum, c);
  out.value = std::isinf(sum) ? sum : sum + c;
  return true;
}

bool avg_over_time(const Window& w, WindowCall& call, Output& out) {
  if (w.float_count() > 0 && w.histogram_count() > 0) {
    call.warn(kMixed);
    return false;
  }
  if (w.histogram_count() > 0) return sum_histograms(w, call, out, true);
  auto f = w.floats();
  double sum = f[0], c = 0, mean = 0;
  bool running = false;
  for (size_t i = 1; i < f.size(); i++) {
    auto n = static_cast<double>(i + 1);
    if (!running) {
      double s = sum, sc = c;
      kahan_add(f[i], s, sc);
      if (!std::isinf(s)) {
        sum = s;
        c = sc;
        continue;
      }
      // The sum overflows; go on with a running mean.
      running = true;
      mean = sum / (n - 1);
      c /= n - 1;
    }
    if (std::isinf(mean)) {
      if (std::isinf(f[i]) && (mean > 0) == (f[i] > 0)) continue;
      if (!std::isinf(f[i]) && !std::isnan(f[i])) continue;
    }
    double keep = (n - 1) / n;
    mean *= keep;
    c *= keep;
    kahan_add(f[i] / n, mean, c);
  }
  auto n = static_cast<double>(f.size());
  out.value = running ? mean + c : sum / n + c / n;
  return true;
}

bool count_over_time(const Window& w, WindowCall&, Output& out) {
  out.value = static_cast<double>(w.float_count() + w.histogram_count());
  return true;
}

bool present_over_time(const Window&, WindowCall&, Output& out) {
  out.value = 1;
  return true;
}

// Whether the newest (or oldest) sample is a float.
bool float_is(const Window& w, bool newest) {
  if (w.histogram_count() == 0) return true;
  if (w.float_count() == 0) return false;
  return newest ? w.float_times().back() > w.histogram_times().back()
                : w.float_times().front() < w.histogram_times().front();
}

bool last_over_time(const Window& w, WindowCall&, Output& out) {
  if (float_is(w, true)) {
    out.value = w.floats().back();
  } else {
    out.histogram = w.histograms().back();
  }
  return true;
}

bool first_over_time(const Window& w, WindowCall&, Output& out) {
  if (float_is(w, false)) {
    out.value = w.floats().front();
  } else {
    out.histogram = w.histograms().front();
  }
  return true;
}

template <bool kMax>
size_t extreme(std::span<const double> f, bool last) {
  size_t best = 0;
  for (size_t i = 1; i < f.size(); i++) {
    bool better = kMax ? f[i] > f[best] : f[i] < f[best];
    bool equal = last && f[i] == f[best];
    if (better || equal || std::isnan(f[best])) best = i;
  }
  return best;
}

bool max_over_time(const Window& w, WindowCall& call, Output& out) {
  if (!floats_only(w, call)) return false;
  out.value = w.floats()[extreme<true>(w.floats(), false)];
  return true;
}
bool min_over_time(const Window& w, WindowCall& call, Output& out) {
  if (!floats_only(w, call)) return false;
  out.value = w.floats()[extreme<false>(w.floats(), false)];
  return true;
}

double variance(std::span<const double> f) {
  double n = 0, mean = 0, mean_c = 0, aux = 0, aux_c = 0;
  for (double v : f) {
    n += 1;
    double delta = v - (mean + mean_c);
    kahan_add(delta / n, mean, mean_c);
    kahan_add(delta * (v - (mean + mean_c)), aux, aux_c);
  }
  return (aux + aux_c) / n;
}

bool stddev_over_time(const Window& w, WindowCall& call, Output& out) {
  if (!floats_only(w, call)) return false;
  out.value = std::sqrt(variance(w.floats()));
  return true;
}
bool stdvar_over_time(const Window& w, WindowCall& call, Output& out) {
  if (!floats_only(w, call)) return false;
  out.value = variance(w.floats());
  return true;
}

bool quantile_over_time(const Window& w, WindowCall& call, Output& out) {
  if (!floats_only(w, call)) return false;
  double q = call.param(0);
  if (std::isnan(q) || q < 0 || q > 1) {
    call.ev.warn(call.arg_pos(0), "quantile value should be between 0 and 1, got " + format_g(q));
  }
  std::vector<double> values(w.floats().begin(), w.floats().end());
  out.value = quantile_of(q, values);
  return true;
}

bool mad_over_time(const Window& w, WindowCall& call, Output& out) {
  if (!floats_only(w, call)) return false;
  std::vector<double> values(w.floats().begin(), w.floats().end());
  if (std::any_of(values.begin(), values.end(), [](double v) { return std::isnan(v); })) {
    out.value = std::numeric_limits<double>::quiet_NaN();
    return true;
  }
  double median = quantile_of(0.5, values);
  for (double& v : values) v = std::fabs(v - median);
  out.value = quantile_of(0.5, values);
  return true;
}

bool ts_of_max_over_time(const Window& w, WindowCall& call, Output& out) {
  if (!floats_only(w, call)) return false;
  out.value = static_cast<double>(w.float_times()[extreme<true>(w.floats(), true)]) / 1000;
  return true;
}
bool ts_of_min_over_time(const Window& w, WindowCall& call, Output& out) {
  if (!floats_only(w, call)) return false;
  out.value = static_cast<double>(w.float_times()[extreme<false>(w.floats(), true)]) / 1000;
  return true;
}
bool ts_of_last_over_time(const Window& w, WindowCall&, Output& out) {
  int64_t t = float_is(w, true) ? w.float_times().back() : w.histogram_times().back();
  out.value = static_cast<double>(t) / 1000;
  return true;
}
bool ts_of_first_over_time(const Window& w, WindowCall&, Output& out) {
  int64_t t = float_is(w, false) ? w.float_times().front() : w.histogram_times().front();
  out.value = static_cast<double>(t) / 1000;
  return true;
}

Function row(const char* name, WindowCode code, const char* doc) {
  Function f;
  f.name = name;
  f.arg_types = {ValueType::kMatrix};
  f.doc = doc;
  f.window = code;
  return f;
}

}  // namespace

std::vector<Function> over_time_functions() {
  std::vector<Function> rows = {
      row("sum_over_time", sum_over_time, "Sum of the samples in the range."),
      row("avg_over_time", avg_over_time, "Average of the samples in the range."),
      row("count_over_time", count_over_time, "Number of samples in the range."),
      row("present_over_time", present_over_time, "1 where the range has a sample."),
      row("last_over_time", last_over_time, "The newest sample of the range."),
      row("first_over_time", first_over_time, "The oldest sample of the range."),
      row("max_over_time", max_over_time, "The largest sample of the range."),
      row("min_over_time", min_over_time, "The smallest sample of the range."),
      row("stddev_over_time", stddev_over_time, "Standard deviation of the samples in the range."),
      row("stdvar_over_time", stdvar_over_time, "Variance of the samples in the range."),
      row("quantile_over_time", quantile_over_time, "φ-quantile of the samples in the range."),
      row("mad_over_time", mad_over_time, "Median absolute deviation of the samples in the range."),
      row("ts_of_max_over_time", ts_of_max_over_time, "Time of the last largest sample."),
      row("ts_of_min_over_time", ts_of_min_over_time, "Time of the last smallest sample."),
      row("ts_of_last_over_time", ts_of_last_over_time, "Time of the newest sample."),
      row("ts_of_first_over_time", ts_of_first_over_time, "Time of the oldest sample."),
  };
  for (Function& f : rows) {
    std::string_view name = f.name;
    f.keeps_name = name == "last_over_time" || name == "first_over_time";
    f.experimental = name == "mad_over_time" || name.starts_with("ts_of_");
    if (name == "quantile_over_time") f.arg_types = {ValueType::kScalar, ValueType::kMatrix};
  }
  return rows;
}

}  // namespace sonde::promql
