// Aggregations: one value a group and step, or a choice of the group's samples.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "promql/evaluator.h"
#include "promql/native_histogram.h"

namespace sonde::promql {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Group {
  LabelSet labels;
  bool drop_name = false;
  std::vector<size_t> members;  // indices of input series, in order
};

std::vector<Group> group(const AggregateExpr& a, const std::vector<Series>& input) {
  std::vector<Group> groups;
  std::unordered_map<LabelSet, size_t, LabelSetHash> index;
  for (size_t k = 0; k < input.size(); k++) {
    LabelSet labels;
    if (a.without) {
      LabelBuilder b(input[k].labels);
      for (const auto& l : a.grouping) b.del(l);
      labels = b.del(kMetricName).del(kTypeLabel).del(kUnitLabel).build();
    } else if (!a.grouping.empty()) {
      labels = LabelBuilder(input[k].labels).keep(a.grouping).build();
    }
    auto [it, fresh] = index.emplace(labels, groups.size());
    if (fresh) groups.push_back({std::move(labels), false, {}});
    groups[it->second].drop_name |= input[k].drop_name;
    groups[it->second].members.push_back(k);
  }
  return groups;
}

// The samples of one group at one step, folded.
class Fold {
 public:
  Fold(Evaluator& ev, const AggregateExpr& a) : ev_(ev), a_(a) {}

  void reset() {
    count_ = 0;
    floats_ = histograms_ = 0;
    incremental_ = invalid_ = false;
    value_ = c_ = mean_ = 0;
    values_.clear();
  }

  void add(double f) {
    floats_++;
    count_++;
    switch (a_.op) {
      case AggregateOp::kSum:
        if (floats_ == 1) {
          value_ = f;
          c_ = 0;
        } else {
          kahan_add(f, value_, c_);
        }
        break;
      case AggregateOp::kAvg:
        add_to_average(f);
        break;
      case AggregateOp::kMin:
        if (floats_ == 1 || value_ > f || std::isnan(value_)) value_ = f;
        break;
      case AggregateOp::kMax:
        if (floats_ == 1 || value_ < f || std::isnan(value_)) value_ = f;
        break;
      case AggregateOp::kStddev:
      case AggregateOp::kStdvar: {
        if (floats_ == 1) {
          mean_ = f;
          value_ = std::isnan(f) || std::isinf(f) ? kNan : 0;
          break;
        }
        double delta = f - mean_;
        mean_ += delta / static_cast<double>(floats_);
        value_ += delta * (f - mean_);
        break;
      }
      case AggregateOp::kQuantile:
        values_.push_back(f);
        break;
      default:
        break;
    }
  }

  void add(const NativeHistogram& h) {
    switch (a_.op) {
      case AggregateOp::kSum:
      case AggregateOp::kAvg:
        histograms_++;
        count_++;
        add_histogram(h);
        break;
      case AggregateOp::kCount:
      case AggregateOp::kGroup:
        count_++;
        floats_++;
        break;
      default:
        ev_.info(a_.expr->pos, std::string("ignored histogram in ") + to_string(a_.op) + " aggregation");
    }
  }

  // False: nothing comes out.
  bool finish(double q, Output& out) {
    bool folds_histograms = a_.op == AggregateOp::kSum || a_.op == AggregateOp::kAvg;
    if (folds_histograms && floats_ > 0 && histograms_ > 0) {
      ev_.warn(a_.expr->pos, "encountered a mix of histograms and floats for aggregation");
      return false;
    }
    if (invalid_ || floats_ + histograms_ == 0) return false;
    if (histograms_ > 0) {
      NativeHistogram h = a_.op == AggregateOp::kAvg ? sum_.average() : sum_.finish();
      if (notes_collision()) {
        ev_.warn(a_.expr->pos, "conflicting counter resets during histogram aggregation");
        h.counter_reset = CounterReset::kUnknown;
      }
      out.histogram = std::make_shared<const NativeHistogram>(std::move(h));
      return true;
    }
    auto n = static_cast<double>(floats_);
    switch (a_.op) {
      case AggregateOp::kSum:
        out.value = value_ + c_;
        break;
      case AggregateOp::kAvg:
        out.value = incremental_ ? mean_ + c_ : value_ / n + c_ / n;
        break;
      case AggregateOp::kCount:
        out.value = static_cast<double>(count_);
        break;
      case AggregateOp::kGroup:
        out.value = 1;
        break;
      case AggregateOp::kStdvar:
        out.value = value_ / n;
        break;
      case AggregateOp::kStddev:
        out.value = std::sqrt(value_ / n);
        break;
      case AggregateOp::kQuantile:
        out.value = quantile_of(q, values_);
        break;
      default:
        out.value = value_;
    }
    return true;
  }

 private:
  void add_to_average(double f) {
    if (floats_ == 1) {
      value_ = f;
      c_ = 0;
      return;
    }
    if (!incremental_) {
      double v = value_, c = c_;
      kahan_add(f, v, c);
      if (!std::isinf(v)) {
        value_ = v;
        c_ = c;
        return;
      }
      // The sum overflows; go on with a running mean.
      incremental_ = true;
      mean_ = value_ / static_cast<double>(floats_ - 1);
      c_ /= static_cast<double>(floats_ - 1);
    }
    if (std::isinf(mean_)) {
      if (std::isinf(f) && (mean_ > 0) == (f > 0)) return;
      if (!std::isinf(f) && !std::isnan(f)) return;
    }
    auto n = static_cast<double>(floats_);
    double keep = (n - 1) / n;
    mean_ *= keep;
    c_ *= keep;
    kahan_add(f / n, mean_, c_);
  }

  void add_histogram(const NativeHistogram& h) {
    seen_reset_ = (histograms_ == 1 ? false : seen_reset_) || h.counter_reset == CounterReset::kReset;
    seen_no_reset_ = (histograms_ == 1 ? false : seen_no_reset_) || h.counter_reset == CounterReset::kNoReset;
    if (invalid_) return;
    if (histograms_ == 1) {
      sum_.start(h);
      return;
    }
    JoinNotes notes;
    if (!(a_.op == AggregateOp::kAvg ? sum_.add_to_average(h, notes) : sum_.add(h, notes))) {
      ev_.warn(a_.expr->pos,
               "vector contains a mix of histograms with exponential and custom buckets schemas");
      invalid_ = true;
      return;
    }
    if (notes.bounds_reconciled) {
      ev_.info(a_.expr->pos, "mismatched custom buckets were reconciled during aggregation");
    }
  }
  bool notes_collision() const { return seen_reset_ && seen_no_reset_; }

  Evaluator& ev_;
  const AggregateExpr& a_;
  uint64_t count_ = 0;
  uint64_t floats_ = 0;
  uint64_t histograms_ = 0;
  bool incremental_ = false;
  bool invalid_ = false;
  bool seen_reset_ = false;
  bool seen_no_reset_ = false;
  double value_ = 0;
  double c_ = 0;
  double mean_ = 0;
  HistogramSum sum_;
  std::vector<double> values_;
};

Result<EvalValue> fold(Evaluator& ev, const AggregateExpr& a, std::vector<Series> input,
                       const std::vector<double>& param, size_t steps) {
  EvalValue out;
  if (a.op == AggregateOp::kQuantile) {
    for (double q : param) {
      if (std::isnan(q) || q < 0 || q > 1) {
        ev.warn(a.param->pos, "quantile value should be between 0 and 1, got " + format_g(q));
      }
    }
  }
  Fold state(ev, a);
  for (const Group& g : group(a, input)) {
    SONDE_CHECK(ev.check());
    Series s(g.labels, steps);
    s.drop_name = g.drop_name;
    bool any = false;
    for (size_t i = 0; i < steps; i++) {
      state.reset();
      for (size_t k : g.members) {
        if (input[k].is_float(i)) {
          state.add(input[k].floats[i]);
        } else if (input[k].is_histogram(i)) {
          state.add(*input[k].histograms[i]);
        }
      }
      Output o;
      if (!state.finish(param.empty() ? 0 : param[i], o)) continue;
      any = true;
      if (o.histogram) {
        s.set(i, std::move(o.histogram));
      } else {
        s.set(i, o.value);
      }
    }
    if (any) out.series.push_back(std::move(s));
  }
  return out;
}

// k of topk, bottomk and limitk at one step.
Result<int64_t> count_parameter(double v) {
  if (std::isnan(v)) return fail(ErrorCode::kConflict, "Parameter value is NaN");
  if (v >= 9223372036854775808.0) {
    return fail(ErrorCode::kConflict, "Scalar value " + format_g(v) + " overflows int64");
  }
  if (v <= -9223372036854775808.0) {
    return fail(ErrorCode::kConflict, "Scalar value " + format_g(v) + " underflows int64");
  }
  return static_cast<int64_t>(v);
}

// topk, bottomk: what comes first in each group. Ties go to the earlier series; NaN comes last.
void choose_extremes(Evaluator& ev, const AggregateExpr& a, const std::vector<Series>& input, const Group& g,
                     size_t i, int64_t k, std::vector<size_t>& chosen) {
  bool top = a.op == AggregateOp::kTopk;
  chosen.clear();
  for (size_t m : g.members) {
    if (input[m].is_float(i)) {
      chosen.push_back(m);
    } else if (input[m].is_histogram(i)) {
      ev.info(a.expr->pos, std::string("ignored histogram in ") + to_string(a.op) + " aggregation");
    }
  }
  std::stable_sort(chosen.begin(), chosen.end(), [&](size_t x, size_t y) {
    double l = input[x].floats[i], r = input[y].floats[i];
    if (std::isnan(l)) return false;
    if (std::isnan(r)) return true;
    return top ? l > r : l < r;
  });
  if (static_cast<int64_t>(chosen.size()) > k) chosen.resize(static_cast<size_t>(k));
}

bool in_ratio(double ratio, const LabelSet& labels) {
  // Prometheus hashes the same canonical bytes with XXH64.
  auto bytes = labels.encoded();
  auto hash = XXH64(bytes.data(), bytes.size(), 0);
  double offset = static_cast<double>(hash) / static_cast<double>(std::numeric_limits<uint64_t>::max());
  return (ratio >= 0 && offset < ratio) || (ratio < 0 && offset >= 1 + ratio);
}

Result<EvalValue> choose(Evaluator& ev, const AggregateExpr& a, std::vector<Series> input,
                         const std::vector<double>& param, size_t steps) {
  std::vector<Group> groups = group(a, input);
  std::vector<size_t> order;  // of an instant vector's samples
  std::vector<size_t> chosen;
  std::vector<std::vector<uint8_t>> keep(input.size(), std::vector<uint8_t>(steps, 0));
  for (size_t i = 0; i < steps; i++) {
    if (i % 64 == 0) SONDE_CHECK(ev.check());
    int64_t k = 0;
    double ratio = param[i];
    if (a.op == AggregateOp::kLimitRatio) {
      if (std::isnan(ratio)) return fail(ErrorCode::kConflict, "Ratio value is NaN");
      if (ratio < -1 || ratio > 1) {
        double capped = ratio > 0 ? 1 : -1;
        ev.warn(a.param->pos, "ratio value should be between -1 and 1, got " + format_g(ratio) +
                                  ", capping to " + format_g(capped));
        ratio = capped;
      }
    } else {
      SONDE_TRY(k, count_parameter(ratio));
      if (k < 1) continue;
    }
    for (const Group& g : groups) {
      if (a.op == AggregateOp::kTopk || a.op == AggregateOp::kBottomk) {
        choose_extremes(ev, a, input, g, i, k, chosen);
      } else {
        chosen.clear();
        for (size_t m : g.members) {
          if (!input[m].present(i)) continue;
          if (a.op == AggregateOp::kLimitk ? static_cast<int64_t>(chosen.size()) < k
                                           : in_ratio(ratio, input[m].labels)) {
            chosen.push_back(m);
          }
        }
      }
      for (size_t m : chosen) {
        keep[m][i] = 1;
        if (steps == 1) order.push_back(m);
      }
    }
  }
  EvalValue out;
  if (steps == 1) {
    for (size_t m : order) out.series.push_back(std::move(input[m]));
    return out;
  }
  for (size_t m = 0; m < input.size(); m++) {
    for (size_t i = 0; i < steps; i++) {
      if (!keep[m][i]) input[m].clear(i);
    }
    if (!input[m].empty()) out.series.push_back(std::move(input[m]));
  }
  return out;
}

Result<EvalValue> count_values(Evaluator& ev, const AggregateExpr& a, std::vector<Series> input,
                               size_t steps) {
  SONDE_TRY(std::string label, ev.eval_string(*a.param));
  if (label.empty() || !is_valid_utf8(label))
    return fail(ErrorCode::kConflict, "invalid label name " + quote(label));
  EvalValue out;
  // The new label may replace one of the grouping: what is then equal is counted together.
  std::map<std::string, Series> by_labels;
  for (const Group& g : group(a, input)) {
    for (size_t i = 0; i < steps; i++) {
      for (size_t m : g.members) {
        if (!input[m].present(i)) continue;
        std::string value;
        if (input[m].is_histogram(i)) {
          value = to_string(*input[m].histograms[i]);
        } else {
          double f = input[m].floats[i];
          value = std::isfinite(f) && std::fabs(f) < 1e-6 && f != 0 ? "" : format_value(f);
          if (value.empty() || (std::isfinite(f) && std::fabs(f) >= 1e21)) {
            char buf[700];
            // Go's 'f' form without exponent; format_value changes to 'e' at both ends.
            std::snprintf(buf, sizeof buf, "%.340f", f);
            value = buf;
            value.erase(value.find_last_not_of('0') + 1);
            if (value.back() == '.') value.pop_back();
          }
        }
        LabelSet labels = LabelBuilder(g.labels).set(label, value).build();
        auto [it, fresh] = by_labels.try_emplace(std::string(labels.encoded()));
        if (fresh) it->second = Series(std::move(labels), steps);
        it->second.drop_name |= g.drop_name;
        it->second.set(i, (it->second.present(i) ? it->second.floats[i] : 0) + 1);
      }
    }
  }
  for (auto& [key, s] : by_labels) out.series.push_back(std::move(s));
  return out;
}

}  // namespace

Result<EvalValue> eval_aggregate(Evaluator& ev, const AggregateExpr& a, const Grid& grid) {
  std::vector<double> param;
  if (a.param && a.op != AggregateOp::kCountValues) {
    SONDE_TRY(param, ev.eval_scalar(*a.param, grid));
  }
  SONDE_TRY(EvalValue v, ev.eval(*a.expr, grid));
  switch (a.op) {
    case AggregateOp::kCountValues:
      return count_values(ev, a, std::move(v.series), grid.count);
    case AggregateOp::kTopk:
    case AggregateOp::kBottomk:
    case AggregateOp::kLimitk:
    case AggregateOp::kLimitRatio:
      return choose(ev, a, std::move(v.series), param, grid.count);
    default:
      return fold(ev, a, std::move(v.series), param, grid.count);
  }
}

}  // namespace sonde::promql
