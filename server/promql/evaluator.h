// Evaluates one query. Inside the module only; the face is engine.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "promql/engine.h"
#include "promql/functions/function.h"

namespace sonde::promql {

inline constexpr std::string_view kTypeLabel = "__type__";
inline constexpr std::string_view kUnitLabel = "__unit__";

// The steps at which an expression is evaluated.
struct Grid {
  int64_t start = 0;
  int64_t step = 1;
  size_t count = 1;
  int64_t at(size_t i) const { return start + static_cast<int64_t>(i) * step; }
  int64_t end() const { return at(count - 1); }
};

// One series of an intermediate result: a cell for each step.
struct Series {
  static constexpr uint8_t kAbsent = 0, kFloat = 1, kHistogram = 2;
  LabelSet labels;
  bool drop_name = false;  // the metric name goes when the query ends (delayed name removal)
  std::vector<uint8_t> kinds;
  std::vector<double> floats;
  std::vector<HistogramPtr> histograms;  // empty until the first one

  Series() = default;
  Series(LabelSet l, size_t steps) : labels(std::move(l)), kinds(steps, kAbsent), floats(steps, 0.0) {}
  void set(size_t i, double v) {
    kinds[i] = kFloat;
    floats[i] = v;
  }
  void set(size_t i, HistogramPtr h) {
    if (histograms.empty()) histograms.resize(kinds.size());
    kinds[i] = kHistogram;
    histograms[i] = std::move(h);
  }
  void clear(size_t i) { kinds[i] = kAbsent; }
  void copy(size_t i, const Series& from, size_t j) {
    if (from.kinds[j] == kFloat) set(i, from.floats[j]);
    if (from.kinds[j] == kHistogram) set(i, from.histograms[j]);
  }
  bool is_float(size_t i) const { return kinds[i] == kFloat; }
  bool is_histogram(size_t i) const { return kinds[i] == kHistogram; }
  bool present(size_t i) const { return kinds[i] != kAbsent; }
  bool empty() const;
};

struct EvalValue {
  ValueType type = ValueType::kVector;
  std::vector<Series> series;  // of kVector
  std::vector<double> scalar;  // of kScalar: one for each step
  std::string text;            // of kString
};

// The samples of one series, decoded. Times in ms; `starts` are as long as the times, or empty.
struct RawSeries {
  LabelSet labels;
  bool drop_name = false;
  std::vector<int64_t> float_times;
  std::vector<double> floats;
  std::vector<int64_t> float_starts;
  std::vector<int64_t> histogram_times;
  std::vector<HistogramPtr> histograms;
  std::vector<int64_t> histogram_starts;
};

// The samples within (start, end] of a series; [f0, f1) and [h0, h1) index into `raw`.
struct Window {
  const RawSeries* raw = nullptr;
  size_t f0 = 0, f1 = 0, h0 = 0, h1 = 0;
  int64_t start = 0, end = 0;
  size_t float_count() const { return f1 - f0; }
  size_t histogram_count() const { return h1 - h0; }
  bool empty() const { return f0 == f1 && h0 == h1; }
  std::span<const double> floats() const { return {raw->floats.data() + f0, float_count()}; }
  std::span<const int64_t> float_times() const { return {raw->float_times.data() + f0, float_count()}; }
  std::span<const HistogramPtr> histograms() const {
    return {raw->histograms.data() + h0, histogram_count()};
  }
  std::span<const int64_t> histogram_times() const {
    return {raw->histogram_times.data() + h0, histogram_count()};
  }
};

struct Output {
  double value = 0;
  HistogramPtr histogram;
};

// What a window function may know besides its window.
struct WindowCall {
  Evaluator& ev;
  const Call& call;
  const std::vector<std::vector<double>>& params;  // by argument index; empty for the matrix
  size_t step = 0;
  int64_t time = 0;  // of the evaluation
  int64_t range_ms = 0;
  bool anchored = false;
  bool smoothed = false;
  std::string_view metric;  // name of the series
  PositionRange matrix_pos;
  std::string error;  // set: the query fails with it

  bool has_param(size_t i) const { return i < params.size() && !params[i].empty(); }
  double param(size_t i) const { return params[i][step]; }
  PositionRange arg_pos(size_t i) const { return call.args[i]->pos; }
  void warn(std::string text) const;  // … for metric name "x" (pos)
  void info(std::string text) const;
  void warn_named(const std::string& text) const;  // …: "x" (pos)
};

class Evaluator {
 public:
  Evaluator(const storage::Querier& querier, const EngineOptions& options, const QueryContext& context,
            std::string_view query, Grid grid);

  // The value of `e` at every step of `grid`.
  Result<EvalValue> eval(const Expr& e, const Grid& grid);
  Result<std::vector<double>> eval_scalar(const Expr& e, const Grid& grid);
  Result<std::string> eval_string(const Expr& e);
  // The samples of a matrix expression at one time, undecorated.
  Result<std::vector<RawSeries>> eval_matrix(const Expr& e, int64_t t);
  // timestamp() and start_timestamp() of a selector.
  enum class Take : uint8_t { kValue, kTime, kStart };
  Result<EvalValue> eval_selector(const VectorSelector& s, const Grid& grid, Take take);

  // Calls `visit` for each series of a matrix expression with a cursor that yields its windows.
  struct WindowSource {
    const RawSeries& raw;
    const Grid& grid;
    int64_t range_ms;
    bool anchored;
    bool smoothed;
    bool pinned;
    int64_t pinned_at;
    int64_t offset_ms;
    // The window of step i; steps must ascend.
    Window next(size_t i);
    size_t f0 = 0, f1 = 0, h0 = 0, h1 = 0;
  };
  Result<> for_each_window_source(const Expr& matrix, const Grid& grid, const std::string& func,
                                  const std::function<Result<>(WindowSource&)>& visit);

  // Names.
  bool delayed_names() const { return options_.delayed_name_removal; }
  // Drops the name of every series now or marks it to go, then merges what became equal.
  Result<> drop_names(std::vector<Series>& series);
  void drop_name(Series& s) const;
  // Joins series of equal labels; an error when two have a value at the same step.
  Result<> merge_equal(std::vector<Series>& series);
  Result<> finish_names(std::vector<Series>& series);

  void warn(PositionRange pos, std::string text);
  void info(PositionRange pos, std::string text);
  std::vector<Annotation> take_warnings();
  std::vector<Annotation> take_infos();

  Result<> check() const { return context_.cancel.check(); }
  Result<> hold(uint64_t samples);  // more samples in memory; kLimit beyond the bound
  void release(uint64_t samples) { held_ -= samples; }

  const Grid& query_grid() const { return query_grid_; }
  bool instant_query() const { return query_grid_.count == 1 && instant_; }
  void set_query_end(int64_t ms) { query_end_ = ms; }
  int64_t query_end() const { return query_end_; }
  void set_instant(bool instant) { instant_ = instant; }
  int64_t lookback_ms() const { return lookback_ms_; }
  // While set, histograms are read with a hint whether each was reset since the one before it in the store.
  bool note_resets(bool on) { return std::exchange(note_resets_, on); }
  const EngineOptions& options() const { return options_; }
  const storage::Querier& querier() const { return querier_; }
  const QueryContext& context() const { return context_; }
  const QueryStats& stats() const { return stats_; }
  Result<int64_t> duration_ms(int64_t ms, const ExprPtr& expr, bool must_be_positive);

  // The time that step time `t` stands for under offset and @.
  struct Shift {
    bool pinned = false;
    int64_t pinned_at = 0;
    int64_t offset_ms = 0;
    int64_t at(int64_t t) const { return (pinned ? pinned_at : t) - offset_ms; }
  };
  Result<Shift> shift(const TimeModifiers& m);
  // Reads a selector's samples in [from, to], a series at a time.
  Result<> read(const Matchers& matchers, int64_t from, int64_t to, storage::SelectHints hints,
                bool keep_stale, const std::function<Result<>(RawSeries&)>& visit);

 private:
  bool invariant(const Expr& e);
  // Puts the interpolated histogram into step i; false when floats are to be looked at instead.
  bool smoothed_histogram(const VectorSelector& s, const RawSeries& raw, int64_t ref, size_t fi, size_t hi,
                          Series& series, size_t i);
  Result<EvalValue> eval_node(const Expr& e, const Grid& grid);
  Result<EvalValue> eval_call(const Call& c, const Grid& grid);
  Result<EvalValue> eval_window_call(const Call& c, const Grid& grid);
  Result<EvalValue> eval_unary(const UnaryExpr& u, const Grid& grid);
  Result<double> duration_seconds(const Expr& e);

  const storage::Querier& querier_;
  const EngineOptions& options_;
  const QueryContext& context_;
  std::string_view query_;
  Grid query_grid_;
  int64_t query_end_;  // at or after the last step
  bool instant_ = false;
  bool note_resets_ = false;
  int64_t lookback_ms_;
  std::unordered_map<const Expr*, bool> invariant_;
  std::map<std::string, int32_t> warnings_;
  std::map<std::string, int32_t> infos_;
  std::vector<std::string> store_warnings_;
  uint64_t held_ = 0;
  QueryStats stats_;
};

// operators.cc
Result<EvalValue> eval_binary(Evaluator& ev, const BinaryExpr& b, const Grid& grid);
// aggregation.cc
Result<EvalValue> eval_aggregate(Evaluator& ev, const AggregateExpr& a, const Grid& grid);

LabelSet without_metadata(const LabelSet& labels);  // less __name__, __type__, __unit__

// Compensated sum (Neumaier 1974): sum + compensation.
inline void kahan_add(double x, double& sum, double& c) {
  double t = sum + x;
  if (__builtin_isinf(t)) {
    c = 0;
  } else if (__builtin_fabs(sum) >= __builtin_fabs(x)) {
    c += (sum - t) + x;
  } else {
    c += (x - t) + sum;
  }
  sum = t;
}

// φ-quantile of unsorted values, which it sorts (NaN first); NaN when empty.
double quantile_of(double q, std::vector<double>& values);
// A number as Go's %g prints it.
std::string format_g(double v);

}  // namespace sonde::promql
