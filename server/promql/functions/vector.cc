// Between vectors and scalars, and absence.
#include <cmath>
#include <limits>
#include <set>

#include "promql/evaluator.h"

namespace sonde::promql {
namespace {

Result<EvalValue> scalar(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue v, ev.eval(*call.args[0], grid));
  EvalValue out;
  out.type = ValueType::kScalar;
  out.scalar.assign(grid.count, std::bit_cast<double>(kNormalNanBits));
  for (size_t i = 0; i < grid.count; i++) {
    size_t found = 0;
    for (const Series& s : v.series) {
      if (!s.is_float(i)) continue;
      if (++found > 1) break;
      out.scalar[i] = s.floats[i];
    }
    if (found > 1) out.scalar[i] = std::bit_cast<double>(kNormalNanBits);
  }
  return out;
}

Result<EvalValue> vector(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(auto values, ev.eval_scalar(*call.args[0], grid));
  EvalValue out;
  Series s(LabelSet(), grid.count);
  for (size_t i = 0; i < grid.count; i++) s.set(i, values[i]);
  out.series.push_back(std::move(s));
  return out;
}

// The labels that a selector asks for by equality, once each.
LabelSet asked_for(const Expr& e) {
  const auto* s = as<VectorSelector>(unwrap(e));
  if (const auto* m = as<MatrixSelector>(unwrap(e))) s = m->selector.get();
  if (!s) return {};
  LabelBuilder b;
  std::set<std::string_view> seen;
  for (const Matcher& m : s->matchers) {
    if (m.name() == kMetricName) continue;
    if (m.op() == MatchOp::kEqual && seen.insert(m.name()).second) {
      b.set(m.name(), m.value());
    } else {
      b.del(m.name());
    }
  }
  return b.build();
}

EvalValue where_absent(const Expr& arg, const std::vector<uint8_t>& present) {
  EvalValue out;
  Series s(asked_for(arg), present.size());
  for (size_t i = 0; i < present.size(); i++) {
    if (!present[i]) s.set(i, 1.0);
  }
  if (!s.empty()) out.series.push_back(std::move(s));
  return out;
}

Result<EvalValue> absent(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue v, ev.eval(*call.args[0], grid));
  std::vector<uint8_t> present(grid.count, 0);
  for (const Series& s : v.series) {
    for (size_t i = 0; i < grid.count; i++) present[i] |= s.present(i);
  }
  return where_absent(*call.args[0], present);
}

Result<EvalValue> absent_over_time(Evaluator& ev, const Call& call, const Grid& grid) {
  std::vector<uint8_t> present(grid.count, 0);
  SONDE_CHECK(ev.for_each_window_source(*call.args[0], grid, "absent_over_time",
                                        [&](Evaluator::WindowSource& source) -> Result<> {
                                          for (size_t i = 0; i < grid.count; i++) {
                                            present[i] |= !source.next(i).empty();
                                          }
                                          return {};
                                        }));
  return where_absent(*call.args[0], present);
}

Function row(const char* name, std::vector<ValueType> args, CallCode code, const char* doc) {
  Function f;
  f.name = name;
  f.arg_types = std::move(args);
  f.doc = doc;
  f.call = code;
  return f;
}

}  // namespace

std::vector<Function> vector_functions() {
  constexpr auto kV = ValueType::kVector, kS = ValueType::kScalar, kM = ValueType::kMatrix;
  std::vector<Function> rows = {
      row("scalar", {kV}, scalar, "The value of a vector's one sample; NaN when there is not exactly one."),
      row("vector", {kS}, vector, "A vector of one sample without labels."),
      row("absent", {kV}, absent, "1 with the labels asked for when the vector is empty."),
      row("absent_over_time", {kM}, absent_over_time, "1 with the labels asked for when the range is empty."),
  };
  rows[0].return_type = kS;
  return rows;
}

}  // namespace sonde::promql
