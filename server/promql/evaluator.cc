#include "promql/evaluator.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/native_histogram.h"

namespace sonde::promql {
namespace {

constexpr uint64_t kCheckEvery = 64;  // series between looks at the clock

uint64_t sample_weight(const NativeHistogram& h) {
  return 1 + (h.positive_buckets.size() + h.negative_buckets.size()) / 2;
}

uint64_t count_samples(const EvalValue& v) {
  uint64_t n = v.scalar.size();
  for (const Series& s : v.series) {
    for (uint8_t k : s.kinds) n += k != Series::kAbsent;
    for (const HistogramPtr& h : s.histograms) n += h ? sample_weight(*h) - 1 : 0;
  }
  return n;
}

int64_t floor_start(int64_t from, int64_t step) {
  int64_t start = step * (from / step);
  if (start <= from) start += step;
  return start;
}

}  // namespace

bool Series::empty() const {
  return std::all_of(kinds.begin(), kinds.end(), [](uint8_t k) { return k == kAbsent; });
}

LabelSet without_metadata(const LabelSet& labels) {
  if (!labels.has(kMetricName) && !labels.has(kTypeLabel) && !labels.has(kUnitLabel)) return labels;
  return LabelBuilder(labels).del(kMetricName).del(kTypeLabel).del(kUnitLabel).build();
}

std::string format_g(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  // Go's %g: shortest digits; exponent form below 1e-4 and from 1e21 on.
  double m = std::fabs(v);
  if (v == 0 || (m >= 1e-4 && m < 1e21)) return format_value(v);
  char buf[40];
  for (int digits = 1; digits <= 17; digits++) {
    std::snprintf(buf, sizeof buf, "%.*e", digits - 1, v);
    if (std::strtod(buf, nullptr) == v) break;
  }
  return buf;
}

double quantile_of(double q, std::vector<double>& values) {
  if (values.empty() || std::isnan(q)) return std::numeric_limits<double>::quiet_NaN();
  if (q < 0) return -std::numeric_limits<double>::infinity();
  if (q > 1) return std::numeric_limits<double>::infinity();
  std::sort(values.begin(), values.end(), [](double a, double b) {
    if (std::isnan(a)) return !std::isnan(b);
    return a < b;
  });
  auto n = static_cast<double>(values.size());
  double rank = q * (n - 1);
  double lower = std::max(0.0, std::floor(rank));
  double upper = std::min(n - 1, lower + 1);
  double weight = rank - std::floor(rank);
  return values[static_cast<size_t>(lower)] * (1 - weight) + values[static_cast<size_t>(upper)] * weight;
}

void WindowCall::warn(std::string text) const {
  if (!metric.empty()) text += " for metric name " + quote(metric);
  ev.warn(matrix_pos, std::move(text));
}
void WindowCall::info(std::string text) const {
  if (!metric.empty()) text += " for metric name " + quote(metric);
  ev.info(matrix_pos, std::move(text));
}
void WindowCall::warn_named(const std::string& text) const {
  ev.warn(matrix_pos, text + ": " + quote(metric));
}

Evaluator::Evaluator(const storage::Querier& querier, const EngineOptions& options,
                     const QueryContext& context, std::string_view query, Grid grid)
    : querier_(querier),
      options_(options),
      context_(context),
      query_(query),
      query_grid_(grid),
      query_end_(grid.end()),
      lookback_ms_(context.lookback.value_or(options.lookback).ms()) {}

// ---- annotations ----

void Evaluator::warn(PositionRange pos, std::string text) {
  warnings_.emplace("PromQL warning: " + text + " (" + line_and_column(query_, pos.start) + ")", pos.start);
}
void Evaluator::info(PositionRange pos, std::string text) {
  infos_.emplace("PromQL info: " + text + " (" + line_and_column(query_, pos.start) + ")", pos.start);
}
std::vector<Annotation> Evaluator::take_warnings() {
  std::vector<Annotation> out;
  for (auto& [text, pos] : warnings_) out.push_back({text, pos});
  for (auto& text : store_warnings_) out.push_back({text, 0});
  return out;
}
std::vector<Annotation> Evaluator::take_infos() {
  std::vector<Annotation> out;
  for (auto& [text, pos] : infos_) out.push_back({text, pos});
  return out;
}

Result<> Evaluator::hold(uint64_t samples) {
  held_ += samples;
  stats_.samples_peak = std::max(stats_.samples_peak, held_);
  if (held_ > options_.max_samples) {
    return fail(ErrorCode::kLimit,
                "query processing would load too many samples into memory in query execution");
  }
  return {};
}

// ---- durations ----

Result<double> Evaluator::duration_seconds(const Expr& e) {
  if (const auto* n = as<NumberLiteral>(e)) return n->value;
  const auto& d = static_cast<const DurationExpr&>(e);
  double l = 0, r = 0;
  if (d.lhs) {
    SONDE_TRY(l, duration_seconds(*d.lhs));
  }
  if (d.rhs) {
    SONDE_TRY(r, duration_seconds(*d.rhs));
  }
  switch (d.op) {
    case DurationOp::kAdd:
      return l + r;
    case DurationOp::kSub:
      return l - r;
    case DurationOp::kMul:
      return l * r;
    case DurationOp::kDiv:
    case DurationOp::kMod:
      if (r == 0) {
        return fail(ErrorCode::kInvalid,
                    line_and_column(query_, d.pos.start) + ": parse error: " +
                        (d.op == DurationOp::kDiv ? "division by zero" : "modulo by zero"));
      }
      return d.op == DurationOp::kDiv ? l / r : std::fmod(l, r);
    case DurationOp::kPow:
      return std::pow(l, r);
    case DurationOp::kNegate:
      return -r;
    case DurationOp::kPlus:
      return r;
    case DurationOp::kStep:
      return instant_ ? 0.0 : static_cast<double>(query_grid_.step) / 1000;
    case DurationOp::kRange:
      return static_cast<double>(query_end_ - query_grid_.start) / 1000;
    case DurationOp::kMinOf:
      return std::min(l, r);
    case DurationOp::kMaxOf:
      return std::max(l, r);
  }
  return fail(ErrorCode::kInternal, "unknown duration operator");
}

Result<int64_t> Evaluator::duration_ms(int64_t ms, const ExprPtr& expr, bool must_be_positive) {
  if (!expr) return ms;
  SONDE_TRY(double v, duration_seconds(*expr));
  std::string where = line_and_column(query_, expr->pos.start) + ": parse error: ";
  if (must_be_positive && v <= 0) return fail(ErrorCode::kInvalid, where + "duration must be greater than 0");
  if (std::isnan(v) || std::fabs(v) > 9.2e9)
    return fail(ErrorCode::kInvalid, where + "duration is out of range");
  return static_cast<int64_t>(std::llround(v * 1000));
}

Result<Evaluator::Shift> Evaluator::shift(const TimeModifiers& m) {
  Shift s;
  SONDE_TRY(s.offset_ms, duration_ms(m.offset_ms, m.offset_expr, false));
  s.pinned = m.at != AtKind::kNone;
  if (m.at == AtKind::kTimestamp) s.pinned_at = m.at_ms;
  if (m.at == AtKind::kStart) s.pinned_at = query_grid_.start;
  if (m.at == AtKind::kEnd) s.pinned_at = query_end_;
  return s;
}

// ---- step invariance ----

bool Evaluator::invariant(const Expr& e) {
  if (auto it = invariant_.find(&e); it != invariant_.end()) return it->second;
  bool result = true;
  switch (e.kind) {
    case ExprKind::kVectorSelector:
      result = static_cast<const VectorSelector&>(e).modifiers.at != AtKind::kNone;
      break;
    case ExprKind::kSubquery:
      result = static_cast<const SubqueryExpr&>(e).modifiers.at != AtKind::kNone;
      break;
    case ExprKind::kCall:
      result = !static_cast<const Call&>(e).function->time_dependent;
      [[fallthrough]];
    default:
      for_each_child(e, [&](const Expr& child) { result &= invariant(child); });
  }
  invariant_.emplace(&e, result);
  return result;
}

// ---- evaluation ----

Result<EvalValue> Evaluator::eval(const Expr& e, const Grid& grid) {
  SONDE_CHECK(check());
  uint64_t before = held_;
  bool leaf = e.kind == ExprKind::kNumber || e.kind == ExprKind::kString;
  if (grid.count > 1 && !leaf && invariant(e)) {
    Grid one{grid.start, grid.step, 1};
    SONDE_TRY(EvalValue v, eval_node(e, one));
    held_ = before;
    SONDE_CHECK(hold(count_samples(v) * grid.count));
    if (v.type == ValueType::kScalar) v.scalar.assign(grid.count, v.scalar[0]);
    for (Series& s : v.series) {
      s.kinds.assign(grid.count, uint8_t{s.kinds[0]});
      s.floats.assign(grid.count, double{s.floats[0]});
      if (!s.histograms.empty()) s.histograms.assign(grid.count, HistogramPtr(s.histograms[0]));
    }
    return v;
  }
  SONDE_TRY(EvalValue v, eval_node(e, grid));
  held_ = before;
  SONDE_CHECK(hold(count_samples(v)));
  return v;
}

Result<std::vector<double>> Evaluator::eval_scalar(const Expr& e, const Grid& grid) {
  SONDE_TRY(EvalValue v, eval(e, grid));
  return std::move(v.scalar);
}

Result<std::string> Evaluator::eval_string(const Expr& e) {
  const auto* s = as<StringLiteral>(unwrap(e));
  if (!s) return fail(ErrorCode::kInternal, "a string argument is not a literal");
  return s->value;
}

Result<EvalValue> Evaluator::eval_node(const Expr& e, const Grid& grid) {
  switch (e.kind) {
    case ExprKind::kNumber: {
      EvalValue v;
      v.type = ValueType::kScalar;
      v.scalar.assign(grid.count, static_cast<const NumberLiteral&>(e).value);
      return v;
    }
    case ExprKind::kString: {
      EvalValue v;
      v.type = ValueType::kString;
      v.text = static_cast<const StringLiteral&>(e).value;
      return v;
    }
    case ExprKind::kVectorSelector:
      return eval_selector(static_cast<const VectorSelector&>(e), grid, Take::kValue);
    case ExprKind::kCall:
      return eval_call(static_cast<const Call&>(e), grid);
    case ExprKind::kAggregate:
      return eval_aggregate(*this, static_cast<const AggregateExpr&>(e), grid);
    case ExprKind::kBinary:
      return eval_binary(*this, static_cast<const BinaryExpr&>(e), grid);
    case ExprKind::kUnary:
      return eval_unary(static_cast<const UnaryExpr&>(e), grid);
    case ExprKind::kParen:
      return eval_node(*static_cast<const ParenExpr&>(e).expr, grid);
    case ExprKind::kMatrixSelector:
    case ExprKind::kSubquery:
    case ExprKind::kDuration:
      break;
  }
  return fail(ErrorCode::kInternal, "a range vector where a value was expected");
}

Result<EvalValue> Evaluator::eval_unary(const UnaryExpr& u, const Grid& grid) {
  SONDE_TRY(EvalValue v, eval(*u.expr, grid));
  if (!u.negative) return v;
  for (double& x : v.scalar) x = -x;
  for (Series& s : v.series) {
    for (double& x : s.floats) x = -x;
    for (HistogramPtr& h : s.histograms) {
      if (h) h = std::make_shared<NativeHistogram>(scaled(*h, -1));
    }
  }
  SONDE_CHECK(drop_names(v.series));
  return v;
}

// ---- names ----

void Evaluator::drop_name(Series& s) const {
  if (delayed_names()) {
    s.drop_name = true;
  } else {
    s.labels = without_metadata(s.labels);
  }
}

Result<> Evaluator::drop_names(std::vector<Series>& series) {
  for (Series& s : series) drop_name(s);
  if (delayed_names()) return {};
  return merge_equal(series);
}

Result<> Evaluator::merge_equal(std::vector<Series>& series) {
  if (series.size() < 2) return {};
  std::unordered_map<LabelSet, size_t, LabelSetHash> seen;
  seen.reserve(series.size());
  std::vector<Series> merged;
  bool any = false;
  for (size_t k = 0; k < series.size(); k++) {
    auto [it, fresh] = seen.emplace(series[k].labels, any ? merged.size() : k);
    if (fresh) {
      if (any) merged.push_back(std::move(series[k]));
      continue;
    }
    if (!any) {
      any = true;
      for (size_t j = 0; j < k; j++) merged.push_back(std::move(series[j]));
    }
    Series& into = merged[it->second];
    into.drop_name |= series[k].drop_name;
    for (size_t i = 0; i < into.kinds.size(); i++) {
      if (!series[k].present(i)) continue;
      if (into.present(i)) {
        return fail(ErrorCode::kConflict, "vector cannot contain metrics with the same labelset");
      }
      into.copy(i, series[k], i);
    }
  }
  if (any) series = std::move(merged);
  return {};
}

Result<> Evaluator::finish_names(std::vector<Series>& series) {
  if (!delayed_names()) return {};
  for (Series& s : series) {
    if (s.drop_name) s.labels = without_metadata(s.labels);
  }
  return merge_equal(series);
}

// ---- reading ----

Result<> Evaluator::read(const Matchers& matchers, int64_t from, int64_t to, storage::SelectHints hints,
                         bool keep_stale, const std::function<Result<>(RawSeries&)>& visit) {
  hints.from = {from};
  hints.to = {to};
  SONDE_TRY(auto set, querier_.select(context_.scope, matchers, hints, context_.cancel));
  RawSeries raw;
  for (uint64_t n = 0;; n++) {
    if (n % kCheckEvery == 0) SONDE_CHECK(check());
    SONDE_TRY(bool more, set->next());
    if (!more) break;
    stats_.series_read++;
    raw.labels = set->labels();
    raw.float_times.clear();
    raw.floats.clear();
    raw.float_starts.clear();
    raw.histogram_times.clear();
    raw.histograms.clear();
    raw.histogram_starts.clear();
    storage::ColumnBlock block;
    uint64_t weight = 0;
    while (true) {
      SONDE_TRY(bool has_block, set->next_block(block));
      if (!has_block) break;
      bool with_starts = options_.use_start_timestamps && !block.starts.empty();
      if (with_starts) {
        raw.float_starts.resize(raw.float_times.size(), 0);
        raw.histogram_starts.resize(raw.histogram_times.size(), 0);
      }
      weight += block.times.size();
      if (held_ + weight > options_.max_samples) SONDE_CHECK(hold(weight));
      for (size_t i = 0; i < block.times.size(); i++) {
        int64_t t = block.times[i].ms;
        if (t < from || t > to) continue;
        int64_t start = with_starts ? block.starts[i].ms : 0;
        if (!block.values.empty()) {
          double v = block.values[i];
          if (!keep_stale && is_stale(v)) continue;
          raw.float_times.push_back(t);
          raw.floats.push_back(v);
          if (with_starts || !raw.float_starts.empty()) raw.float_starts.push_back(start);
        } else {
          const HistogramPtr& h = block.histograms[i];
          if (!keep_stale && is_stale(h->sum)) continue;
          weight += sample_weight(*h) - 1;
          raw.histogram_times.push_back(t);
          if (note_resets_ && h->counter_reset == CounterReset::kUnknown && !raw.histograms.empty()) {
            NativeHistogram copy = *h;
            copy.counter_reset =
                detect_reset(*h, *raw.histograms.back()) ? CounterReset::kReset : CounterReset::kNoReset;
            raw.histograms.push_back(std::make_shared<const NativeHistogram>(std::move(copy)));
          } else {
            raw.histograms.push_back(h);
          }
          if (with_starts || !raw.histogram_starts.empty()) raw.histogram_starts.push_back(start);
        }
      }
    }
    stats_.samples_read += raw.floats.size() + raw.histograms.size();
    SONDE_CHECK(hold(weight));
    SONDE_CHECK(visit(raw));
    release(weight);
  }
  for (auto& w : set->warnings()) {
    if (store_warnings_.size() < 100 &&
        std::find(store_warnings_.begin(), store_warnings_.end(), w) == store_warnings_.end()) {
      store_warnings_.push_back(std::move(w));
    }
  }
  return {};
}

bool Evaluator::smoothed_histogram(const VectorSelector& s, const RawSeries& raw, int64_t ref, size_t fi,
                                   size_t hi, Series& series, size_t i) {
  auto near = [&](const std::vector<int64_t>& times, size_t next) {
    return (next > 0 && times[next - 1] > ref - lookback_ms_) ||
           (next < times.size() && times[next] <= ref + lookback_ms_);
  };
  if (!near(raw.histogram_times, hi)) return false;
  std::string metric(raw.labels.metric_name());
  std::string named = metric.empty() ? "" : " for metric name " + quote(metric);
  if (near(raw.float_times, fi)) {
    warn(s.pos, "encountered a mix of histograms and floats" + named);
    return true;
  }
  if (hi == 0 || raw.histogram_times[hi - 1] <= ref - lookback_ms_) return true;
  const HistogramPtr& before = raw.histograms[hi - 1];
  int64_t t1 = raw.histogram_times[hi - 1];
  if (t1 == ref || hi == raw.histograms.size() || raw.histogram_times[hi] > ref + lookback_ms_) {
    series.set(i, before);
    return true;
  }
  double fraction = static_cast<double>(ref - t1) / static_cast<double>(raw.histogram_times[hi] - t1);
  auto h =
      interpolated(*before, *raw.histograms[hi], fraction, before->counter_reset != CounterReset::kGauge);
  if (h) {
    series.set(i, std::make_shared<const NativeHistogram>(std::move(*h)));
  } else {
    warn(s.pos, "vector contains a mix of histograms with exponential and custom buckets schemas" + named);
  }
  return true;
}

Result<EvalValue> Evaluator::eval_selector(const VectorSelector& s, const Grid& grid, Take take) {
  SONDE_TRY(Shift sh, shift(s.modifiers));
  int64_t lb = lookback_ms_;
  int64_t from = sh.at(grid.start) - lb + 1;
  int64_t to = sh.at(grid.end()) + (s.smoothed ? lb : 0);
  storage::SelectHints hints;
  hints.step = Duration::milliseconds(grid.count > 1 ? grid.step : 0);
  EvalValue out;
  SONDE_CHECK(read(s.matchers, from, to, hints, !s.smoothed, [&](RawSeries& raw) -> Result<> {
    Series series(raw.labels, grid.count);
    bool any = false;
    size_t fi = 0, hi = 0;  // one past the last sample at or before the step
    for (size_t i = 0; i < grid.count; i++) {
      int64_t ref = sh.at(grid.at(i));
      while (fi < raw.float_times.size() && raw.float_times[fi] <= ref) fi++;
      while (hi < raw.histogram_times.size() && raw.histogram_times[hi] <= ref) hi++;
      int64_t ft = fi > 0 ? raw.float_times[fi - 1] : std::numeric_limits<int64_t>::min();
      int64_t ht = hi > 0 ? raw.histogram_times[hi - 1] : std::numeric_limits<int64_t>::min();
      if (s.smoothed) {
        if (smoothed_histogram(s, raw, ref, fi, hi, series, i)) {
          any |= series.present(i);
          continue;
        }
        if (fi == 0 || ft <= ref - lb) continue;
        double v = raw.floats[fi - 1];
        if (ft < ref && fi < raw.floats.size() && raw.float_times[fi] <= ref + lb) {
          v += (raw.floats[fi] - v) * static_cast<double>(ref - ft) /
               static_cast<double>(raw.float_times[fi] - ft);
        }
        series.set(i, v);
        any = true;
        continue;
      }
      int64_t t = std::max(ft, ht);
      if (t == std::numeric_limits<int64_t>::min() || t <= ref - lb) continue;
      if (ht > ft) {
        const HistogramPtr& h = raw.histograms[hi - 1];
        if (is_stale(h->sum)) continue;
        if (take == Take::kValue) {
          series.set(i, h);
        } else {
          int64_t start = raw.histogram_starts.empty() ? 0 : raw.histogram_starts[hi - 1];
          series.set(i, static_cast<double>(take == Take::kTime ? t : start) / 1000);
        }
      } else {
        double v = raw.floats[fi - 1];
        if (is_stale(v)) continue;
        int64_t start = raw.float_starts.empty() ? 0 : raw.float_starts[fi - 1];
        series.set(i, take == Take::kValue ? v : static_cast<double>(take == Take::kTime ? t : start) / 1000);
      }
      any = true;
    }
    if (any) {
      SONDE_CHECK(hold(grid.count));
      out.series.push_back(std::move(series));
    }
    return {};
  }));
  return out;
}

Window Evaluator::WindowSource::next(size_t i) {
  int64_t end = (pinned ? pinned_at : grid.at(i)) - offset_ms;
  Window w;
  w.raw = &raw;
  w.end = end;
  w.start = end - range_ms;
  auto advance = [](const std::vector<int64_t>& times, size_t& index, int64_t bound) {
    while (index < times.size() && times[index] <= bound) index++;
  };
  advance(raw.float_times, f0, w.start);
  advance(raw.float_times, f1, end);
  advance(raw.histogram_times, h0, w.start);
  advance(raw.histogram_times, h1, end);
  w.f0 = f0;
  w.f1 = f1;
  w.h0 = h0;
  w.h1 = h1;
  return w;
}

Result<> Evaluator::for_each_window_source(const Expr& matrix, const Grid& grid, const std::string& func,
                                           const std::function<Result<>(WindowSource&)>& visit) {
  const Expr& e = unwrap(matrix);
  if (const auto* m = as<MatrixSelector>(e)) {
    SONDE_TRY(Shift sh, shift(m->selector->modifiers));
    SONDE_TRY(int64_t range_ms, duration_ms(m->range_ms, m->range_expr, true));
    bool extended = m->selector->anchored || m->selector->smoothed;
    int64_t from = sh.at(grid.start) - range_ms + 1 - (extended ? lookback_ms_ : 0);
    int64_t to = sh.at(grid.end()) + (m->selector->smoothed ? lookback_ms_ : 0);
    storage::SelectHints hints;
    hints.func = func;
    hints.range = Duration::milliseconds(range_ms);
    hints.step = Duration::milliseconds(grid.count > 1 ? grid.step : 0);
    return read(m->selector->matchers, from, to, hints, false, [&](RawSeries& raw) -> Result<> {
      WindowSource source{raw,       grid,         range_ms,    m->selector->anchored, m->selector->smoothed,
                          sh.pinned, sh.pinned_at, sh.offset_ms};
      return visit(source);
    });
  }
  const auto* s = as<SubqueryExpr>(e);
  if (!s) return fail(ErrorCode::kInternal, "expected a range vector");
  SONDE_TRY(Shift sh, shift(s->modifiers));
  SONDE_TRY(int64_t range_ms, duration_ms(s->range_ms, s->range_expr, true));
  SONDE_TRY(int64_t step_ms, duration_ms(s->step_ms, s->step_expr, true));
  if (step_ms == 0) step_ms = options_.subquery_step.ms();
  int64_t from = sh.at(grid.start) - range_ms;
  int64_t to = sh.at(grid.end());
  int64_t first = floor_start(from, step_ms);
  EvalValue inner;
  if (first <= to) {
    auto steps = static_cast<uint64_t>((to - first) / step_ms) + 1;
    if (steps > options_.max_samples) SONDE_CHECK(hold(steps));
    Grid sub{first, step_ms, static_cast<size_t>(steps)};
    bool noted = note_resets(false);
    auto value = eval(*s->expr, sub);
    note_resets(noted);
    SONDE_TRY(inner, std::move(value));
  }
  RawSeries raw;
  for (Series& series : inner.series) {
    raw.labels = series.labels;
    raw.drop_name = series.drop_name;
    raw.float_times.clear();
    raw.floats.clear();
    raw.histogram_times.clear();
    raw.histograms.clear();
    for (size_t i = 0; i < series.kinds.size(); i++) {
      int64_t t = first + static_cast<int64_t>(i) * step_ms;
      if (series.is_float(i)) {
        raw.float_times.push_back(t);
        raw.floats.push_back(series.floats[i]);
      } else if (series.is_histogram(i)) {
        raw.histogram_times.push_back(t);
        // What was known of resets held between neighbouring samples, not between steps.
        HistogramPtr h = series.histograms[i];
        if (h->counter_reset == CounterReset::kReset || h->counter_reset == CounterReset::kNoReset) {
          NativeHistogram copy = *h;
          copy.counter_reset = CounterReset::kUnknown;
          h = std::make_shared<const NativeHistogram>(std::move(copy));
        }
        raw.histograms.push_back(std::move(h));
      }
    }
    WindowSource source{raw, grid, range_ms, false, false, sh.pinned, sh.pinned_at, sh.offset_ms};
    SONDE_CHECK(visit(source));
  }
  return {};
}

Result<std::vector<RawSeries>> Evaluator::eval_matrix(const Expr& e, int64_t t) {
  std::vector<RawSeries> out;
  Grid one{t, 1, 1};
  SONDE_CHECK(for_each_window_source(e, one, "", [&](WindowSource& source) -> Result<> {
    Window w = source.next(0);
    if (w.empty()) return {};
    SONDE_CHECK(hold(w.float_count() + w.histogram_count()));
    RawSeries r;
    r.labels = source.raw.labels;
    r.drop_name = source.raw.drop_name;
    r.floats.assign(w.floats().begin(), w.floats().end());
    r.float_times.assign(w.float_times().begin(), w.float_times().end());
    r.histograms.assign(w.histograms().begin(), w.histograms().end());
    r.histogram_times.assign(w.histogram_times().begin(), w.histogram_times().end());
    out.push_back(std::move(r));
    return {};
  }));
  return out;
}

// ---- calls ----

namespace {

// anchored and smoothed mean something to few functions.
Result<> check_extended(const VectorSelector& s, std::string_view function) {
  if (!s.anchored && !s.smoothed) return {};
  static constexpr std::string_view kAllowed[] = {"delta", "increase", "rate", "changes", "resets"};
  size_t n = s.anchored ? 5 : 3;
  if (std::find(kAllowed, kAllowed + n, function) != kAllowed + n) return {};
  return fail(ErrorCode::kConflict,
              std::string(s.anchored ? "anchored" : "smoothed") + " modifier can only be used with: " +
                  (s.anchored ? "changes, delta, increase, rate, resets" : "delta, increase, rate") +
                  " - not with " + std::string(function));
}

}  // namespace

Result<EvalValue> Evaluator::eval_call(const Call& c, const Grid& grid) {
  const Function& f = *c.function;
  for (const auto& arg : c.args) {
    if (const auto* m = as<MatrixSelector>(unwrap(*arg))) SONDE_CHECK(check_extended(*m->selector, f.name));
  }
  if (f.call) return f.call(*this, c, grid);
  if (f.window) return eval_window_call(c, grid);
  SONDE_TRY(EvalValue v, eval(*c.args[0], grid));
  std::erase_if(v.series, [&](Series& s) {
    bool any = false;
    for (size_t i = 0; i < s.kinds.size(); i++) {
      if (s.is_float(i)) {
        s.floats[i] = f.map(s.floats[i]);
        any = true;
      } else {
        s.clear(i);
      }
    }
    s.histograms.clear();
    return !any;
  });
  SONDE_CHECK(drop_names(v.series));
  return v;
}

Result<EvalValue> Evaluator::eval_window_call(const Call& c, const Grid& grid) {
  const Function& f = *c.function;
  std::vector<std::vector<double>> params(c.args.size());
  const Expr* matrix = nullptr;
  for (size_t i = 0; i < c.args.size(); i++) {
    if (c.args[i]->type() == ValueType::kMatrix) {
      matrix = c.args[i].get();
    } else {
      SONDE_TRY(params[i], eval_scalar(*c.args[i], grid));
    }
  }
  EvalValue out;
  WindowCall wc{
      .ev = *this, .call = c, .params = params, .metric = {}, .matrix_pos = matrix->pos, .error = {}};
  SONDE_CHECK(for_each_window_source(*matrix, grid, f.name, [&](WindowSource& source) -> Result<> {
    Series series(source.raw.labels, grid.count);
    series.drop_name = source.raw.drop_name;
    wc.metric = series.labels.metric_name();
    wc.range_ms = source.range_ms;
    wc.anchored = source.anchored;
    wc.smoothed = source.smoothed;
    bool any = false;
    for (size_t i = 0; i < grid.count; i++) {
      if (i % 1024 == 1023) SONDE_CHECK(check());
      Window w = source.next(i);
      if (w.empty() && !source.anchored && !source.smoothed) continue;
      wc.step = i;
      wc.time = grid.at(i);
      Output o;
      bool has_value = f.window(w, wc, o);
      if (!wc.error.empty()) return fail(ErrorCode::kConflict, wc.error);
      if (!has_value) continue;
      any = true;
      if (o.histogram) {
        series.set(i, std::move(o.histogram));
      } else {
        series.set(i, o.value);
      }
    }
    if (!any) return {};
    SONDE_CHECK(hold(grid.count));
    if (!f.keeps_name) drop_name(series);
    out.series.push_back(std::move(series));
    return {};
  }));
  if (!delayed_names()) SONDE_CHECK(merge_equal(out.series));
  return out;
}

}  // namespace sonde::promql
