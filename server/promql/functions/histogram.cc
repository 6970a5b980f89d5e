// Histograms: quantiles and fractions of classic buckets and of native histograms, and their statistics.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "promql/evaluator.h"
#include "promql/native_histogram.h"

namespace sonde::promql {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view kLe = "le";

struct ClassicBucket {
  double upper = 0;
  double count = 0;
};
using ClassicBuckets = std::vector<ClassicBucket>;

// What monotonicity needed.
struct Repair {
  bool forced = false;
  double min_bucket = kInf, max_bucket = -kInf;
  double max_diff = 0;
};

// Sorted, equal bounds joined, counts never falling; deltas below 1e-12 of the sum are noise. False without
// +Inf.
bool prepare(ClassicBuckets& buckets, Repair& repair) {
  std::stable_sort(buckets.begin(), buckets.end(),
                   [](const ClassicBucket& a, const ClassicBucket& b) { return a.upper < b.upper; });
  if (buckets.empty() || !(std::isinf(buckets.back().upper) && buckets.back().upper > 0)) return false;
  size_t n = 0;
  for (size_t i = 1; i < buckets.size(); i++) {
    if (buckets[i].upper == buckets[n].upper) {
      buckets[n].count += buckets[i].count;
    } else {
      buckets[++n] = buckets[i];
    }
  }
  buckets.resize(n + 1);
  double previous = buckets[0].count;
  for (size_t i = 1; i < buckets.size(); i++) {
    double now = buckets[i].count;
    if (now == previous) continue;
    constexpr double kTolerance = 1e-12;
    double sum = std::fabs(now) + std::fabs(previous);
    if (std::isnan(now)) continue;
    if (sum > 0 &&
        std::fabs(now - previous) / std::min(sum, std::numeric_limits<double>::max()) < kTolerance) {
      buckets[i].count = previous;
    } else if (now < previous) {
      repair.forced = true;
      repair.min_bucket = std::min(repair.min_bucket, buckets[i].upper);
      repair.max_bucket = std::max(repair.max_bucket, buckets[i].upper);
      repair.max_diff = std::max(repair.max_diff, previous - now);
      buckets[i].count = previous;
    } else {
      previous = now;
    }
  }
  return true;
}

double classic_quantile(double q, ClassicBuckets& buckets, Repair& repair) {
  if (std::isnan(q)) return kNan;
  if (q < 0) return -kInf;
  if (q > 1) return kInf;
  if (!prepare(buckets, repair) || buckets.size() < 2) return kNan;
  double observations = buckets.back().count;
  if (observations == 0 || std::isnan(observations)) return kNan;
  double rank = q * observations;
  size_t b = 0;
  while (b + 1 < buckets.size() && !(buckets[b].count >= rank)) b++;
  if (b == buckets.size() - 1) return buckets[b - 1].upper;
  if (b == 0 && buckets[0].upper <= 0) return buckets[0].upper;
  double start = 0, end = buckets[b].upper, count = buckets[b].count;
  if (b > 0) {
    start = buckets[b - 1].upper;
    count -= buckets[b - 1].count;
    rank -= buckets[b - 1].count;
  }
  return start + (end - start) * (rank / count);
}

double classic_fraction(double lower, double upper, ClassicBuckets& buckets, Repair& repair) {
  if (!prepare(buckets, repair)) return kNan;
  double total = buckets.back().count;
  if (total == 0 || std::isnan(total) || std::isnan(lower) || std::isnan(upper)) return kNan;
  if (lower >= upper) return 0;
  double rank = 0, lower_rank = total, upper_rank = total;
  bool lower_set = false, upper_set = false;
  for (size_t i = 0; i < buckets.size() && !(lower_set && upper_set); i++) {
    double from = i > 0 ? buckets[i - 1].upper : buckets[0].upper > 0 ? 0 : -kInf;
    double to = buckets[i].upper, in = buckets[i].count - rank;
    bool endless = std::isinf(from) || std::isinf(to);  // no interpolation: contributes nothing
    auto at = [&](double v) { return rank + in * (v - from) / (to - from); };
    if (!lower_set && from >= lower) {
      lower_rank = rank;
      lower_set = true;
    } else if (!lower_set && to > lower) {
      lower_rank = endless ? (std::isinf(to) ? rank : buckets[i].count) : at(lower);
      lower_set = true;
    }
    if (!upper_set && from >= upper) {
      upper_rank = rank;
      upper_set = true;
    } else if (!upper_set && to > upper) {
      upper_rank = endless ? (std::isinf(to) ? rank : buckets[i].count) : at(upper);
      upper_set = true;
    }
    rank = buckets[i].count;
  }
  return std::max(0.0, upper_rank - lower_rank) / total;
}

// All series that make up one histogram: classic buckets, or a native one.
struct HistogramGroup {
  LabelSet labels;  // without le
  bool drop_name = false;
  std::vector<std::pair<double, const Series*>> classic;
  std::vector<const Series*> native;
};

bool parse_bound(std::string_view text, double& bound) {
  std::string lower;
  for (char c : text) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  if (!lower.empty() && lower[0] == '+') lower.erase(0, 1);
  auto r = std::from_chars(lower.data(), lower.data() + lower.size(), bound);
  return !lower.empty() && r.ec == std::errc() && r.ptr == lower.data() + lower.size() && !std::isnan(bound);
}

std::string for_metric(const LabelSet& labels) {
  std::string_view name = labels.metric_name();
  return name.empty() ? "" : " for metric name " + quote(name);
}

std::vector<HistogramGroup> group_histograms(Evaluator& ev, PositionRange pos,
                                             const std::vector<Series>& input) {
  std::vector<HistogramGroup> groups;
  std::unordered_map<LabelSet, size_t, LabelSetHash> index;
  auto group_of = [&](LabelSet labels, bool drop_name) -> HistogramGroup& {
    auto [it, fresh] = index.emplace(labels, groups.size());
    if (fresh) groups.push_back({std::move(labels), drop_name, {}, {}});
    return groups[it->second];
  };
  for (const Series& s : input) {
    bool floats = std::any_of(s.kinds.begin(), s.kinds.end(), [](uint8_t k) { return k == Series::kFloat; });
    bool natives =
        std::any_of(s.kinds.begin(), s.kinds.end(), [](uint8_t k) { return k == Series::kHistogram; });
    if (floats) {
      double bound = 0;
      if (parse_bound(s.labels.get(kLe), bound)) {
        group_of(LabelBuilder(s.labels).del(kLe).build(), s.drop_name).classic.emplace_back(bound, &s);
      } else {
        ev.warn(pos, "bucket label \"le\" is missing or has a malformed value of " +
                         quote(s.labels.get(kLe)) + for_metric(s.labels));
      }
    }
    if (natives) group_of(s.labels, s.drop_name).native.push_back(&s);
  }
  return groups;
}

// One value for each histogram and step.
template <class Classic, class Native>
Result<EvalValue> per_histogram(Evaluator& ev, PositionRange pos, const std::vector<Series>& input,
                                size_t steps, Classic classic, Native native) {
  EvalValue out;
  ClassicBuckets buckets;
  for (HistogramGroup& g : group_histograms(ev, pos, input)) {
    SONDE_CHECK(ev.check());
    Series s(g.labels, steps);
    s.drop_name = g.drop_name;
    bool any = false;
    for (size_t i = 0; i < steps; i++) {
      buckets.clear();
      for (const auto& [bound, from] : g.classic) {
        if (from->is_float(i)) buckets.push_back({bound, from->floats[i]});
      }
      const NativeHistogram* h = nullptr;
      for (const Series* from : g.native) {
        if (from->is_histogram(i)) h = from->histograms[i].get();
      }
      if (h && !buckets.empty()) {
        ev.warn(pos, "vector contains a mix of classic and native histograms" + for_metric(g.labels));
        continue;
      }
      if (!h && buckets.empty()) continue;
      s.set(i, h ? native(i, *h, g.labels) : classic(i, buckets, g.labels));
      any = true;
    }
    if (any) out.series.push_back(std::move(s));
  }
  SONDE_CHECK(ev.drop_names(out.series));
  return out;
}

void note_repair(Evaluator& ev, PositionRange pos, const LabelSet& labels, const Repair& r, int64_t ms) {
  if (!r.forced) return;
  std::string diff = format_g(r.max_diff);
  ev.info(pos,
          "input to histogram_quantile needed to be fixed for monotonicity (see "
          "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)" +
              for_metric(labels) + ", from buckets " + format_g(r.min_bucket) + " to " +
              format_g(r.max_bucket) + ", with a max diff of " + diff + ", at " + std::to_string(ms / 1000) +
              "s");
}

void note_nan(Evaluator& ev, PositionRange pos, const LabelSet& labels, int share) {
  if (share == 0) return;
  ev.info(pos, std::string("input to histogram_quantile has NaN observations, result is ") +
                   (share == 2 ? "NaN" : "skewed higher") + for_metric(labels));
}

void check_quantile(Evaluator& ev, PositionRange pos, double q) {
  if (std::isnan(q) || q < 0 || q > 1) {
    ev.warn(pos, "quantile value should be between 0 and 1, got " + format_g(q));
  }
}

Result<EvalValue> quantiles(Evaluator& ev, PositionRange pos, PositionRange q_pos,
                            const std::vector<double>& q, const std::vector<Series>& input,
                            const Grid& grid) {
  for (double each : q) check_quantile(ev, q_pos, each);
  return per_histogram(
      ev, pos, input, grid.count,
      [&](size_t i, ClassicBuckets& buckets, const LabelSet& labels) {
        Repair repair;
        double v = classic_quantile(q[i], buckets, repair);
        note_repair(ev, pos, labels, repair, grid.at(i));
        return v;
      },
      [&](size_t i, const NativeHistogram& h, const LabelSet& labels) {
        int share = 0;
        double v = histogram_quantile(q[i], h, &share);
        note_nan(ev, pos, labels, share);
        return v;
      });
}

Result<EvalValue> histogram_quantile_call(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(auto q, ev.eval_scalar(*call.args[0], grid));
  SONDE_TRY(EvalValue v, ev.eval(*call.args[1], grid));
  return quantiles(ev, call.args[1]->pos, call.args[0]->pos, q, v.series, grid);
}

// histogram_quantiles(v, "label", q…): a label tells which quantile a series is.
Result<EvalValue> histogram_quantiles_call(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue v, ev.eval(*call.args[0], grid));
  SONDE_TRY(std::string label, ev.eval_string(*call.args[1]));
  EvalValue out;
  for (size_t k = 2; k < call.args.size(); k++) {
    SONDE_TRY(auto q, ev.eval_scalar(*call.args[k], grid));
    SONDE_TRY(EvalValue part, quantiles(ev, call.args[0]->pos, call.args[k]->pos, q, v.series, grid));
    std::string value = format_g(q[0]);
    // As le and quantile labels are normalised: whole numbers have a fraction.
    if (std::isfinite(q[0]) && value.find_first_of(".e") == std::string::npos) value += ".0";
    for (Series& s : part.series) {
      s.labels = LabelBuilder(s.labels).set(label, value).build();
      out.series.push_back(std::move(s));
    }
  }
  SONDE_CHECK(ev.merge_equal(out.series));
  return out;
}

Result<EvalValue> histogram_fraction_call(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(auto lower, ev.eval_scalar(*call.args[0], grid));
  SONDE_TRY(auto upper, ev.eval_scalar(*call.args[1], grid));
  SONDE_TRY(EvalValue v, ev.eval(*call.args[2], grid));
  PositionRange pos = call.args[2]->pos;
  return per_histogram(
      ev, pos, v.series, grid.count,
      [&](size_t i, ClassicBuckets& buckets, const LabelSet&) {
        Repair repair;
        return classic_fraction(lower[i], upper[i], buckets, repair);
      },
      [&](size_t i, const NativeHistogram& h, const LabelSet& labels) {
        bool nan = false;
        double f = histogram_fraction(lower[i], upper[i], h, &nan);
        if (nan) {
          ev.info(pos,
                  "input to histogram_fraction has NaN observations, which are excluded from all fractions" +
                      for_metric(labels));
        }
        return f;
      });
}

using Statistic = double (*)(const NativeHistogram&);

// `notes_resets`: statistics that do not need buckets have resets noted as they are read, as in Prometheus.
template <Statistic F, bool notes_resets = false>
Result<EvalValue> of_native(Evaluator& ev, const Call& call, const Grid& grid) {
  bool noted = ev.note_resets(notes_resets);
  auto input = ev.eval(*call.args[0], grid);
  ev.note_resets(noted);
  SONDE_TRY(EvalValue v, std::move(input));
  for (Series& s : v.series) {
    for (size_t i = 0; i < s.kinds.size(); i++) {
      if (s.is_histogram(i)) {
        s.set(i, F(*s.histograms[i]));
      } else {
        s.clear(i);
      }
    }
    s.histograms.clear();
  }
  std::erase_if(v.series, [](const Series& s) { return s.empty(); });
  SONDE_CHECK(ev.drop_names(v.series));
  return v;
}

double count_of(const NativeHistogram& h) { return h.count; }
double sum_of(const NativeHistogram& h) { return h.sum; }
double average_of(const NativeHistogram& h) { return h.sum / h.count; }
double deviation_of(const NativeHistogram& h) { return std::sqrt(histogram_variance(h)); }

Function row(const char* name, std::vector<ValueType> args, CallCode code, const char* doc) {
  Function f;
  f.name = name;
  f.arg_types = std::move(args);
  f.doc = doc;
  f.call = code;
  return f;
}

}  // namespace

std::vector<Function> histogram_functions() {
  constexpr auto kV = ValueType::kVector, kS = ValueType::kScalar, kT = ValueType::kString;
  std::vector<Function> rows = {
      row("histogram_quantile", {kS, kV}, histogram_quantile_call,
          "φ-quantile of classic buckets (label le) or native histograms, interpolated within a bucket."),
      row("histogram_quantiles", {kV, kT, kS}, histogram_quantiles_call,
          "Several quantiles at once; the named label says which."),
      row("histogram_fraction", {kS, kS, kV}, histogram_fraction_call,
          "Share of observations between the two bounds."),
      row("histogram_count", {kV}, of_native<count_of, true>, "Number of observations of native histograms."),
      row("histogram_sum", {kV}, of_native<sum_of, true>, "Sum of observations of native histograms."),
      row("histogram_avg", {kV}, of_native<average_of, true>, "Average observation of native histograms."),
      row("histogram_stdvar", {kV}, of_native<histogram_variance>,
          "Estimated variance of native histograms."),
      row("histogram_stddev", {kV}, of_native<deviation_of>,
          "Estimated standard deviation of native histograms."),
  };
  rows[1].variadic = -1;
  rows[1].experimental = true;
  return rows;
}

}  // namespace sonde::promql
