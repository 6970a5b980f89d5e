#include "promql/engine.h"

#include <algorithm>

#include "promql/evaluator.h"

namespace sonde::promql {
namespace {

void sort_matrix(Matrix& m) {
  std::sort(m.begin(), m.end(),
            [](const MatrixSeries& a, const MatrixSeries& b) { return a.labels < b.labels; });
}

MatrixSeries to_matrix_series(Series& s, const Grid& grid) {
  MatrixSeries out;
  out.labels = std::move(s.labels);
  for (size_t i = 0; i < s.kinds.size(); i++) {
    if (s.is_float(i)) {
      out.float_times.push_back({grid.at(i)});
      out.floats.push_back(s.floats[i]);
    } else if (s.is_histogram(i)) {
      out.histogram_times.push_back({grid.at(i)});
      out.histograms.push_back(std::move(s.histograms[i]));
    }
  }
  return out;
}

Result<Value> instant_matrix(Evaluator& ev, const Expr& expr, int64_t t) {
  SONDE_TRY(auto raw, ev.eval_matrix(expr, t));
  Matrix m;
  for (RawSeries& r : raw) {
    MatrixSeries s;
    s.labels = r.drop_name ? without_metadata(r.labels) : std::move(r.labels);
    for (int64_t at : r.float_times) s.float_times.push_back({at});
    for (int64_t at : r.histogram_times) s.histogram_times.push_back({at});
    s.floats = std::move(r.floats);
    s.histograms = std::move(r.histograms);
    m.push_back(std::move(s));
  }
  sort_matrix(m);
  for (size_t i = 1; i < m.size(); i++) {
    if (m[i].labels == m[i - 1].labels) {
      return fail(ErrorCode::kConflict, "vector cannot contain metrics with the same labelset");
    }
  }
  return Value(std::move(m));
}

Result<Value> instant_value(Evaluator& ev, const Expr& expr, const Grid& grid) {
  Timestamp t{grid.start};
  if (expr.type() == ValueType::kMatrix) return instant_matrix(ev, expr, grid.start);
  SONDE_TRY(EvalValue v, ev.eval(expr, grid));
  if (v.type == ValueType::kScalar) return Value(Scalar{t, v.scalar[0]});
  if (v.type == ValueType::kString) return Value(String{t, std::move(v.text)});
  SONDE_CHECK(ev.finish_names(v.series));
  Vector out;
  for (Series& s : v.series) {
    if (!s.present(0)) continue;
    VectorSample sample{std::move(s.labels), t, s.floats[0], {}};
    if (s.is_histogram(0)) sample.histogram = std::move(s.histograms[0]);
    out.push_back(std::move(sample));
  }
  return Value(std::move(out));
}

Result<Value> range_value(Evaluator& ev, const Expr& expr, const Grid& grid) {
  SONDE_TRY(EvalValue v, ev.eval(expr, grid));
  Matrix m;
  if (v.type == ValueType::kScalar) {
    MatrixSeries s;
    for (size_t i = 0; i < grid.count; i++) s.float_times.push_back({grid.at(i)});
    s.floats = std::move(v.scalar);
    m.push_back(std::move(s));
    return Value(std::move(m));
  }
  SONDE_CHECK(ev.finish_names(v.series));
  for (Series& s : v.series) {
    if (!s.empty()) m.push_back(to_matrix_series(s, grid));
  }
  sort_matrix(m);
  return Value(std::move(m));
}

QueryResult result_of(Evaluator& ev, Value value) {
  QueryResult r;
  r.value = std::move(value);
  r.warnings = ev.take_warnings();
  r.infos = ev.take_infos();
  r.stats = ev.stats();
  return r;
}

}  // namespace

ValueType type_of(const Value& value) {
  static constexpr ValueType kTypes[] = {ValueType::kScalar, ValueType::kString, ValueType::kVector,
                                         ValueType::kMatrix};
  return kTypes[value.index()];
}

Engine::Engine(const storage::Querier& querier, const Clock& clock, EngineOptions options)
    : querier_(querier), clock_(clock), options_(std::move(options)) {}

QueryContext Engine::bounded(const QueryContext& context) const {
  QueryContext out = context;
  // A caller without a token of its own gets the engine's time limit.
  if (options_.timeout.ns > 0 && !context.cancel.active()) {
    out.cancel = Cancellation::create(&clock_, clock_.monotonic() + options_.timeout);
  }
  return out;
}

Result<QueryResult> Engine::instant(std::string_view query, Timestamp t, const QueryContext& context) const {
  SONDE_TRY(ExprPtr expr, parse(query, options_.parser));
  return instant(*expr, query, t, context);
}

Result<QueryResult> Engine::range(std::string_view query, Timestamp start, Timestamp end, Duration step,
                                  const QueryContext& context) const {
  SONDE_TRY(ExprPtr expr, parse(query, options_.parser));
  return range(*expr, query, start, end, step, context);
}

Result<QueryResult> Engine::instant(const Expr& expr, std::string_view query, Timestamp t,
                                    const QueryContext& context) const {
  QueryContext ctx = bounded(context);
  Grid grid{t.ms, 1, 1};
  Evaluator ev(querier_, options_, ctx, query, grid);
  ev.set_instant(true);
  SONDE_TRY(Value value, instant_value(ev, expr, grid));
  return result_of(ev, std::move(value));
}

Result<QueryResult> Engine::range(const Expr& expr, std::string_view query, Timestamp start, Timestamp end,
                                  Duration step, const QueryContext& context) const {
  if (step.ms() <= 0)
    return fail(ErrorCode::kInvalid, "zero or negative query resolution step widths are not accepted");
  if (end < start) return fail(ErrorCode::kInvalid, "end timestamp must not be before start time");
  if (expr.type() != ValueType::kVector && expr.type() != ValueType::kScalar) {
    return fail(ErrorCode::kInvalid, std::string("invalid expression type ") + quote(describe(expr.type())) +
                                         " for range query, must be Scalar or instant Vector");
  }
  auto steps = static_cast<uint64_t>((end - start).ms() / step.ms()) + 1;
  if (steps > options_.max_samples) {
    return fail(ErrorCode::kLimit,
                "query processing would load too many samples into memory in query execution");
  }
  QueryContext ctx = bounded(context);
  Grid grid{start.ms, step.ms(), static_cast<size_t>(steps)};
  Evaluator ev(querier_, options_, ctx, query, grid);
  ev.set_query_end(end.ms);
  SONDE_TRY(Value value, range_value(ev, expr, grid));
  return result_of(ev, std::move(value));
}

}  // namespace sonde::promql
