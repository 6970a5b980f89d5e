// How values move: rates and differences with Prometheus's extrapolation, resets, changes, regression.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "promql/evaluator.h"
#include "promql/native_histogram.h"

namespace sonde::promql {
namespace {

constexpr const char* kMixed = "encountered a mix of histograms and floats";
constexpr const char* kMixedSchemas =
    "vector contains a mix of histograms with exponential and custom buckets schemas";
constexpr const char* kNotCounter = "this native histogram metric is not a counter";
constexpr const char* kNotGauge = "this native histogram metric is not a gauge";

double seconds(int64_t ms) { return static_cast<double>(ms) / 1000; }

bool looks_like_counter(std::string_view name) {
  return name.ends_with("_total") || name.ends_with("_sum") || name.ends_with("_count") ||
         name.ends_with("_bucket");
}

void note_non_counter(const WindowCall& call) {
  if (call.metric.empty() || looks_like_counter(call.metric)) return;
  call.ev.info(call.matrix_pos,
               "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " +
                   quote(call.metric));
}

// A start before the previous sample that is not the start it already had: two sources overlap.
void note_overlap(const WindowCall& call, std::span<const int64_t> starts, std::span<const int64_t> times) {
  for (size_t i = 1; i < starts.size(); i++) {
    if (starts[i] == 0 || starts[i] >= times[i - 1] || starts[i] == starts[i - 1]) continue;
    call.ev.warn(call.matrix_pos,
                 "sample has start time that overlaps with previous sample timestamp for metric " +
                     quote(call.metric));
    return;
  }
}

bool is_gauge(const NativeHistogram& h) { return h.counter_reset == CounterReset::kGauge; }

void note_join(const WindowCall& call, const JoinNotes& notes, bool add) {
  if (!notes.bounds_reconciled) return;
  call.ev.info(call.matrix_pos, std::string("mismatched custom buckets were reconciled during ") +
                                    (add ? "addition" : "subtraction"));
}

// Whether a counter whose sample at `t` says that it started at `start` was reset since the sample before it.
// A start at the very time of the sample before is a reset only when that one had a sensible start of its own
// (a delta); otherwise it is how a cumulative counter of unknown start looks.
bool start_tells_reset(int64_t start, int64_t previous_start, int64_t previous, int64_t t) {
  if (start == 0 || start >= t) return false;
  return start > previous || (start == previous && previous_start != 0 && previous_start < previous);
}

// last - first, plus what was lost at resets. Empty when the histograms do not go together.
std::optional<NativeHistogram> histogram_increase(const Window& w, const WindowCall& call, bool counter,
                                                  bool from_zero) {
  auto points = w.histograms();
  auto is_reset = [&](size_t i) {
    if (detect_reset(*points[i], *points[i - 1])) return true;
    const auto& starts = w.raw->histogram_starts;
    return !starts.empty() && start_tells_reset(starts[w.h0 + i], starts[w.h0 + i - 1],
                                                w.histogram_times()[i - 1], w.histogram_times()[i]);
  };
  const NativeHistogram* first = points.front().get();
  const NativeHistogram& last = *points.back();
  // A reset right after the first point makes it an empty one: its layout need not fit.
  NativeHistogram empty;
  bool skip_first = counter && !from_zero && points.size() > 1 && is_reset(1);
  if (skip_first || from_zero) {
    const NativeHistogram& like = skip_first ? *points[1] : *points[0];
    empty.schema = like.schema;
    empty.zero_threshold = like.zero_threshold;
    empty.custom_values = like.custom_values;
    empty.counter_reset = like.counter_reset;
    first = &empty;
  }
  bool gauge = false, not_gauge = false;
  int32_t schema = std::numeric_limits<int32_t>::max();
  for (size_t i = skip_first ? 1 : 0; i < points.size(); i++) {
    gauge |= is_gauge(*points[i]);
    if (has_custom_buckets(*points[i]) != has_custom_buckets(last)) {
      call.warn(kMixedSchemas);
      return std::nullopt;
    }
    schema = std::min(schema, points[i]->schema);
  }
  not_gauge = !is_gauge(*points.front()) || !is_gauge(last);
  if (counter && (gauge || is_gauge(*points.front()))) call.warn_named(kNotCounter);
  if (!counter && not_gauge) call.warn_named(kNotGauge);
  NativeHistogram h = has_custom_buckets(last) ? last : reduced(last, schema);
  JoinNotes notes;
  if (!join(h, *first, -1, notes)) return std::nullopt;
  note_join(call, notes, false);
  if (counter) {
    for (size_t i = skip_first ? 2 : 1; i < points.size(); i++) {
      if (!is_reset(i)) continue;
      JoinNotes add_notes;
      if (!join(h, *points[i - 1], 1, add_notes)) return std::nullopt;
      note_join(call, add_notes, true);
    }
  }
  h.counter_reset = CounterReset::kGauge;
  return compacted(std::move(h));
}

double float_increase(const Window& w, bool counter, bool from_zero) {
  auto f = w.floats();
  auto times = w.float_times();
  bool starts = !w.raw->float_starts.empty();
  double v = from_zero ? f.back() : f.back() - f.front();
  if (!counter) return v;
  double previous = f.front();
  for (size_t i = 1; i < f.size(); i++) {
    bool reset = f[i] < previous;
    if (!reset && starts) {
      reset = start_tells_reset(w.raw->float_starts[w.f0 + i], w.raw->float_starts[w.f0 + i - 1],
                                times[i - 1], times[i]);
    }
    if (reset) v += previous;
    previous = f[i];
  }
  return v;
}

// The value at `t` between two samples. A counter that was reset in between starts from zero at the left
// sample when the edge is the left one, and goes on from its old height at the right one.
double interpolate(double v1, int64_t t1, double v2, int64_t t2, int64_t t, bool counter, bool left_edge) {
  if (counter && v2 < v1) {
    if (left_edge) {
      v1 = 0;
    } else {
      v2 += v1;
    }
  }
  return v1 + (v2 - v1) * static_cast<double>(t - t1) / static_cast<double>(t2 - t1);
}

// The extended window of anchored and smoothed selectors: from the last sample at or before the start (within
// the lookback) to the end, or for smoothed to the first sample after the end.
struct Extended {
  size_t first = 0;  // into the raw floats
  size_t last = 0;
  bool usable = false;
};

Extended extend(const Window& w, const WindowCall& call, const std::vector<int64_t>& times, size_t begin,
                size_t end) {
  Extended e;
  if (begin > 0 && times[begin - 1] > w.start - call.ev.lookback_ms()) begin--;
  if (call.smoothed && end < times.size() && times[end] <= w.end + call.ev.lookback_ms() &&
      (end == 0 || times[end - 1] < w.end)) {
    end++;
  }
  if (begin >= end) return e;
  e.first = begin;
  e.last = end - 1;
  e.usable = times[e.last] > w.start && times[e.first] <= w.end;
  return e;
}

bool extended_histogram_change(const Window& w, WindowCall& call, const Extended& e, Output& out,
                               bool counter, bool per_second) {
  const auto& h = w.raw->histograms;
  const auto& times = w.raw->histogram_times;
  for (size_t i = e.first; i <= e.last; i++) {
    if (has_custom_buckets(*h[i]) != has_custom_buckets(*h[e.first])) {
      call.warn(kMixedSchemas);
      return false;
    }
  }
  bool any_gauge =
      std::any_of(h.begin() + static_cast<ptrdiff_t>(e.first), h.begin() + static_cast<ptrdiff_t>(e.last) + 1,
                  [](const HistogramPtr& p) { return is_gauge(*p); });
  if (counter && any_gauge) call.warn_named(kNotCounter);
  if (!counter && (!is_gauge(*h[e.first]) || !is_gauge(*h[e.last]))) call.warn_named(kNotGauge);
  auto between = [&](size_t i, int64_t t) {
    double fraction = static_cast<double>(t - times[i]) / static_cast<double>(times[i + 1] - times[i]);
    return *interpolated(*h[i], *h[i + 1], fraction, counter);
  };
  bool left_between = call.smoothed && times[e.first] < w.start && e.first < e.last;
  bool right_between = call.smoothed && times[e.last] > w.end && e.first < e.last;
  NativeHistogram left = left_between ? between(e.first, w.start) : *h[e.first];
  NativeHistogram right = right_between ? between(e.last - 1, w.end) : *h[e.last];
  NativeHistogram v = right;
  JoinNotes notes;
  join(v, left, -1, notes);
  note_join(call, notes, false);
  if (counter && !(left_between && right_between && e.last == e.first + 1)) {
    // A reset that the left edge was interpolated over is in `left` already.
    size_t i = e.first + 1;
    NativeHistogram previous = left;
    if (left_between && detect_reset(*h[i], *h[e.first])) previous = *h[i++];
    for (; i <= e.last; i++) {
      if (detect_reset(*h[i], previous)) {
        JoinNotes add_notes;
        join(v, previous, 1, add_notes);
        note_join(call, add_notes, true);
      }
      previous = *h[i];
    }
  }
  if (per_second) v = divided(v, seconds(call.range_ms));
  v.counter_reset = CounterReset::kGauge;
  out.histogram = std::make_shared<const NativeHistogram>(compacted(std::move(v)));
  return true;
}

bool extended_change(const Window& w, WindowCall& call, Output& out, bool counter, bool per_second) {
  const auto& f = w.raw->floats;
  const auto& times = w.raw->float_times;
  Extended eh = extend(w, call, w.raw->histogram_times, w.h0, w.h1);
  Extended e = extend(w, call, times, w.f0, w.f1);
  if (eh.usable && e.usable) {
    call.warn(kMixed);
    return false;
  }
  if (eh.usable) return extended_histogram_change(w, call, eh, out, counter, per_second);
  if (!e.usable) return false;
  double left = f[e.first];
  if (call.smoothed && times[e.first] < w.start && e.first < e.last) {
    left =
        interpolate(f[e.first], times[e.first], f[e.first + 1], times[e.first + 1], w.start, counter, true);
  }
  double right = f[e.last];
  size_t inner_end = e.last + 1;
  if (call.smoothed && times[e.last] > w.end) {
    inner_end = e.last;
    if (e.last > e.first) {
      right = interpolate(f[e.last - 1], times[e.last - 1], f[e.last], times[e.last], w.end, counter, false);
      if (times[e.last - 1] <= w.start) {
        // Both edges lie between the same two samples.
        double v1 = f[e.last - 1], v2 = f[e.last];
        if (counter && v2 < v1) v1 = 0;
        right = v1 + (v2 - v1) * static_cast<double>(w.end - times[e.last - 1]) /
                         static_cast<double>(times[e.last] - times[e.last - 1]);
      }
    }
  }
  double v = right - left;
  if (counter) {
    double previous = left;
    for (size_t i = e.first + 1; i < inner_end; i++) {
      if (f[i] < previous) v += previous;
      previous = f[i];
    }
    if (right < previous) v += previous;
  }
  if (per_second) v /= seconds(call.range_ms);
  out.value = v;
  if (counter) note_non_counter(call);
  return true;
}

// Prometheus's extrapolation: to the edge of the window when the first or last sample is nearer to it
// than 1.1 of the average spacing, else by half a spacing; a counter is not taken below zero.
bool extrapolated(const Window& w, WindowCall& call, Output& out, bool counter, bool per_second) {
  if (call.anchored || call.smoothed) return extended_change(w, call, out, counter, per_second);
  size_t floats = w.float_count(), histograms = w.histogram_count();
  if (floats > 0 && histograms > 0) {
    call.warn(kMixed);
    return false;
  }
  bool use_floats = floats > 0;
  auto times = use_floats ? w.float_times() : w.histogram_times();
  if (times.empty()) return false;
  std::span<const int64_t> starts = use_floats ? w.raw->float_starts : w.raw->histogram_starts;
  size_t begin = use_floats ? w.f0 : w.h0;
  int64_t zero_at = counter && !starts.empty() ? starts[begin] : 0;
  // The counter is known to have been zero within the window: no need to guess at its left edge.
  bool from_zero = zero_at != 0 && zero_at > w.start && zero_at < times.front();
  if (times.size() < 2 && !from_zero) return false;
  if (counter && !starts.empty()) note_overlap(call, starts.subspan(begin, times.size()), times);
  double change = 0;
  std::optional<NativeHistogram> h;
  if (use_floats) {
    change = float_increase(w, counter, from_zero);
  } else {
    h = histogram_increase(w, call, counter, from_zero);
    if (!h) return false;
  }
  int64_t first_time = from_zero ? zero_at : times.front();
  double to_start = from_zero ? 0 : seconds(times.front() - w.start);
  double to_end = seconds(w.end - times.back());
  double sampled = seconds(times.back() - first_time);
  double spacing =
      times.size() < 2 ? 0 : seconds(times.back() - times.front()) / static_cast<double>(times.size() - 1);
  double threshold = spacing * 1.1;
  if (to_start >= threshold) to_start = spacing / 2;
  if (from_zero) to_start = 0;
  if (counter && !from_zero) {
    double to_zero = to_start;
    if (use_floats) {
      double first = w.floats().front();
      if (change > 0 && first >= 0) to_zero = sampled * (first / change);
    } else {
      double first = w.histograms().front()->count;
      if (h->count > 0 && first >= 0) to_zero = sampled * (first / h->count);
    }
    to_start = std::min(to_start, to_zero);
  }
  if (to_end >= threshold) to_end = spacing / 2;
  double factor = (sampled + to_start + to_end) / sampled;
  if (per_second) factor /= seconds(call.range_ms);
  if (use_floats) {
    out.value = change * factor;
    if (counter) note_non_counter(call);
  } else {
    NativeHistogram scaled_h = scaled(*h, factor);
    out.histogram = std::make_shared<const NativeHistogram>(std::move(scaled_h));
  }
  return true;
}

bool rate(const Window& w, WindowCall& call, Output& out) { return extrapolated(w, call, out, true, true); }
bool increase(const Window& w, WindowCall& call, Output& out) {
  return extrapolated(w, call, out, true, false);
}
bool delta(const Window& w, WindowCall& call, Output& out) {
  return extrapolated(w, call, out, false, false);
}

// A sample of either kind.
struct Either {
  int64_t t = 0;
  int64_t start = 0;
  double v = 0;
  const NativeHistogram* h = nullptr;
};

// Floats and histograms from the given indices on, in order of time.
std::vector<Either> in_order(const Window& w, size_t f, size_t h) {
  const RawSeries& r = *w.raw;
  std::vector<Either> out;
  out.reserve(w.f1 - f + w.h1 - h);
  while (f < w.f1 || h < w.h1) {
    if (h >= w.h1 || (f < w.f1 && r.float_times[f] < r.histogram_times[h])) {
      out.push_back({r.float_times[f], r.float_starts.empty() ? 0 : r.float_starts[f], r.floats[f], nullptr});
      f++;
    } else {
      out.push_back({r.histogram_times[h], r.histogram_starts.empty() ? 0 : r.histogram_starts[h], 0,
                     r.histograms[h].get()});
      h++;
    }
  }
  return out;
}

bool instant_change(const Window& w, WindowCall& call, Output& out, bool is_rate) {
  if (w.float_count() + w.histogram_count() < 2) return false;
  auto all = in_order(w, w.f1 - std::min<size_t>(2, w.float_count()),
                      w.h1 - std::min<size_t>(2, w.histogram_count()));
  const Either& last = all[all.size() - 1];
  const Either& before = all[all.size() - 2];
  int64_t interval = last.t - before.t;
  if (interval == 0) return false;
  bool started = is_rate && start_tells_reset(last.start, before.start, before.t, last.t);
  if (!last.h && !before.h) {
    out.value = is_rate && (last.v < before.v || started) ? last.v : last.v - before.v;
    if (is_rate) out.value /= seconds(interval);
    return true;
  }
  if (!last.h || !before.h) {
    call.warn(kMixed);
    return false;
  }
  if (is_rate && (is_gauge(*last.h) || is_gauge(*before.h))) call.warn_named(kNotCounter);
  if (!is_rate && (!is_gauge(*last.h) || !is_gauge(*before.h))) call.warn_named(kNotGauge);
  NativeHistogram h = *last.h;
  if (!is_rate || !(started || detect_reset(*last.h, *before.h))) {
    JoinNotes notes;
    if (!join(h, *before.h, -1, notes)) {
      call.warn(kMixedSchemas);
      return false;
    }
    note_join(call, notes, false);
  }
  h.counter_reset = CounterReset::kGauge;
  h = is_rate ? divided(h, seconds(interval)) : compacted(std::move(h));
  out.histogram = std::make_shared<const NativeHistogram>(std::move(h));
  return true;
}

bool irate(const Window& w, WindowCall& call, Output& out) { return instant_change(w, call, out, true); }
bool idelta(const Window& w, WindowCall& call, Output& out) { return instant_change(w, call, out, false); }

// Counts transitions between neighbours; an anchored window has the sample before its start in front.
template <class F>
bool count_transitions(const Window& w, WindowCall& call, Output& out, F is_one) {
  if (w.empty()) return false;
  size_t f = w.f0, h = w.h0;
  if (call.anchored) {
    const RawSeries& r = *w.raw;
    int64_t oldest = w.start - call.ev.lookback_ms();
    int64_t ft = f > 0 ? r.float_times[f - 1] : std::numeric_limits<int64_t>::min();
    int64_t ht = h > 0 ? r.histogram_times[h - 1] : std::numeric_limits<int64_t>::min();
    if (std::max(ft, ht) > oldest) {
      if (ft > ht) {
        f--;
      } else {
        h--;
      }
    }
  }
  auto all = in_order(w, f, h);
  int64_t n = 0;
  for (size_t i = 1; i < all.size(); i++) n += is_one(all[i - 1], all[i]);
  out.value = static_cast<double>(n);
  return true;
}

bool changes(const Window& w, WindowCall& call, Output& out) {
  return count_transitions(w, call, out, [](const Either& a, const Either& b) {
    if ((a.h == nullptr) != (b.h == nullptr)) return true;
    if (a.h) return !same_histogram(*a.h, *b.h);
    return a.v != b.v && !(std::isnan(a.v) && std::isnan(b.v));
  });
}

bool resets(const Window& w, WindowCall& call, Output& out) {
  return count_transitions(w, call, out, [](const Either& a, const Either& b) {
    if ((a.h == nullptr) != (b.h == nullptr)) return true;
    if (start_tells_reset(b.start, a.start, a.t, b.t)) return true;
    return a.h ? detect_reset(*b.h, *a.h) : b.v < a.v;
  });
}

// Least squares over (t - origin in seconds, v), with compensated sums.
struct Line {
  double slope = 0;
  double intercept = 0;
};
Line regress(std::span<const int64_t> times, std::span<const double> values, int64_t origin) {
  double n = 0, sx = 0, cx = 0, sy = 0, cy = 0, sxy = 0, cxy = 0, sxx = 0, cxx = 0;
  bool constant = true;
  for (size_t i = 0; i < values.size(); i++) {
    constant &= values[i] == values[0];
    n += 1;
    double x = seconds(times[i] - origin);
    kahan_add(x, sx, cx);
    kahan_add(values[i], sy, cy);
    kahan_add(x * values[i], sxy, cxy);
    kahan_add(x * x, sxx, cxx);
  }
  if (constant) {
    if (std::isinf(values[0])) return {std::nan(""), std::nan("")};
    return {0, values[0]};
  }
  sx += cx;
  sy += cy;
  sxy += cxy;
  sxx += cxx;
  double slope = (sxy - sx * sy / n) / (sxx - sx * sx / n);
  return {slope, sy / n - slope * sx / n};
}

bool regression_input(const Window& w, const WindowCall& call) {
  if (w.float_count() > 0 && w.histogram_count() > 0) {
    call.info("ignored histograms in a range containing both floats and histograms");
  }
  return w.float_count() > 1;
}

bool deriv(const Window& w, WindowCall& call, Output& out) {
  if (!regression_input(w, call)) return false;
  out.value = regress(w.float_times(), w.floats(), w.float_times().front()).slope;
  return true;
}

bool predict_linear(const Window& w, WindowCall& call, Output& out) {
  if (!regression_input(w, call)) return false;
  Line line = regress(w.float_times(), w.floats(), call.time);
  out.value = line.slope * call.param(1) + line.intercept;
  return true;
}

// Holt's linear method (double exponential smoothing).
bool double_exponential_smoothing(const Window& w, WindowCall& call, Output& out) {
  double sf = call.param(1), tf = call.param(2);
  auto bad = [&](const char* which, double v) {
    call.error = std::string("invalid ") + which +
                 " factor. Expected: 0 <= " + (which[0] == 's' ? "sf" : "tf") +
                 " <= 1, got: " + std::to_string(v);
    return false;
  };
  if (!(sf >= 0 && sf <= 1)) return bad("smoothing", sf);
  if (!(tf >= 0 && tf <= 1)) return bad("trend", tf);
  if (w.float_count() < 2) {
    if (w.float_count() == 1 && w.histogram_count() > 0) {
      call.info("ignored histograms in a range containing both floats and histograms");
    }
    return false;
  }
  auto f = w.floats();
  double s0 = 0, s1 = f[0], b = f[1] - f[0];
  for (size_t i = 1; i < f.size(); i++) {
    double x = sf * f[i];
    // The trend starts with the second sample.
    if (i > 1) b = tf * (s1 - s0) + (1 - tf) * b;
    double y = (1 - sf) * (s1 + b);
    s0 = s1;
    s1 = x + y;
  }
  if (w.histogram_count() > 0)
    call.info("ignored histograms in a range containing both floats and histograms");
  out.value = s1;
  return true;
}

Function row(const char* name, WindowCode code, const char* doc, const std::vector<ValueType>& more = {}) {
  Function f;
  f.name = name;
  f.arg_types = {ValueType::kMatrix};
  for (ValueType type : more) f.arg_types.push_back(type);
  f.doc = doc;
  f.window = code;
  return f;
}

}  // namespace

std::vector<Function> rate_functions() {
  constexpr auto kS = ValueType::kScalar;
  std::vector<Function> rows = {
      row("rate", rate,
          "Increase per second of a counter, corrected for resets and extrapolated to the range."),
      row("increase", increase,
          "Increase of a counter over the range, corrected for resets and extrapolated."),
      row("delta", delta, "Difference between end and start of a gauge's range, extrapolated."),
      row("irate", irate, "Increase per second between the last two samples of a counter."),
      row("idelta", idelta, "Difference between the last two samples of a gauge."),
      row("changes", changes, "How often the value changed."),
      row("resets", resets, "How often a counter was reset."),
      row("deriv", deriv, "Slope per second by linear regression."),
      row("predict_linear", predict_linear, "Value in so many seconds, by linear regression.", {kS}),
      row("double_exponential_smoothing", double_exponential_smoothing,
          "Smoothed value by a smoothing and a trend factor.", {kS, kS}),
  };
  for (Function& f : rows) {
    std::string_view name = f.name;
    f.time_dependent = name == "predict_linear";
    f.experimental = name == "double_exponential_smoothing";
  }
  return rows;
}

}  // namespace sonde::promql
