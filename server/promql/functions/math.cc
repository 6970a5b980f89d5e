// Arithmetic and trigonometry: one float in, one float out.
#include <cmath>
#include <numbers>

#include "promql/evaluator.h"

namespace sonde::promql {
namespace {

double go_max(double a, double b) { return std::isnan(a) || std::isnan(b) ? a + b : a > b ? a : b; }
double go_min(double a, double b) { return std::isnan(a) || std::isnan(b) ? a + b : a < b ? a : b; }

// Maps the floats of the first argument; histograms go.
template <class F>
Result<EvalValue> map_floats(Evaluator& ev, const Call& call, const Grid& grid, F f) {
  SONDE_TRY(EvalValue v, ev.eval(*call.args[0], grid));
  for (Series& s : v.series) {
    for (size_t i = 0; i < s.kinds.size(); i++) {
      double out = 0;
      if (s.is_float(i) && f(i, s.floats[i], out)) {
        s.floats[i] = out;
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

Result<EvalValue> clamp(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(auto low, ev.eval_scalar(*call.args[1], grid));
  SONDE_TRY(auto high, ev.eval_scalar(*call.args[2], grid));
  return map_floats(ev, call, grid, [&](size_t i, double x, double& out) {
    if (high[i] < low[i]) return false;
    out = go_max(low[i], go_min(high[i], x));
    return true;
  });
}

Result<EvalValue> clamp_min(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(auto low, ev.eval_scalar(*call.args[1], grid));
  return map_floats(ev, call, grid, [&](size_t i, double x, double& out) {
    out = go_max(low[i], x);
    return true;
  });
}

Result<EvalValue> clamp_max(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(auto high, ev.eval_scalar(*call.args[1], grid));
  return map_floats(ev, call, grid, [&](size_t i, double x, double& out) {
    out = go_min(high[i], x);
    return true;
  });
}

Result<EvalValue> round(Evaluator& ev, const Call& call, const Grid& grid) {
  std::vector<double> to(grid.count, 1);
  if (call.args.size() > 1) {
    SONDE_TRY(to, ev.eval_scalar(*call.args[1], grid));
  }
  return map_floats(ev, call, grid, [&](size_t i, double x, double& out) {
    // The inverse keeps 0.1 and its like exact.
    double inverse = 1 / to[i];
    out = std::floor(x * inverse + 0.5) / inverse;
    return true;
  });
}

Result<EvalValue> pi(Evaluator&, const Call&, const Grid& grid) {
  EvalValue v;
  v.type = ValueType::kScalar;
  v.scalar.assign(grid.count, std::numbers::pi);
  return v;
}

template <double (*F)(double, double)>
Result<EvalValue> of_two(Evaluator& ev, const Call& call, const Grid& grid) {
  SONDE_TRY(EvalValue a, ev.eval(*call.args[0], grid));
  SONDE_TRY(EvalValue b, ev.eval(*call.args[1], grid));
  for (size_t i = 0; i < grid.count; i++) a.scalar[i] = F(a.scalar[i], b.scalar[i]);
  return a;
}

Function row(const char* name, MapCode code, const char* doc) {
  Function f;
  f.name = name;
  f.arg_types = {ValueType::kVector};
  f.doc = doc;
  f.map = code;
  return f;
}

Function row(const char* name, std::vector<ValueType> args, CallCode code, const char* doc,
             int variadic = 0) {
  Function f;
  f.name = name;
  f.arg_types = std::move(args);
  f.variadic = variadic;
  f.doc = doc;
  f.call = code;
  return f;
}

}  // namespace

std::vector<Function> math_functions() {
  constexpr auto kV = ValueType::kVector, kS = ValueType::kScalar;
  std::vector<Function> rows = {
      row(
          "abs", [](double x) { return std::fabs(x); }, "Absolute value."),
      row(
          "ceil", [](double x) { return std::ceil(x); }, "Rounded up to the next integer."),
      row(
          "floor", [](double x) { return std::floor(x); }, "Rounded down to the next integer."),
      row(
          "sgn", [](double x) { return x < 0   ? -1.0
                                       : x > 0 ? 1.0
                                               : x; }, "Sign: -1, 0 or 1."),
      row(
          "sqrt", [](double x) { return std::sqrt(x); }, "Square root."),
      row(
          "exp", [](double x) { return std::exp(x); }, "e to the power of the value."),
      row(
          "ln", [](double x) { return std::log(x); }, "Natural logarithm."),
      row(
          "log2", [](double x) { return std::log2(x); }, "Logarithm to base 2."),
      row(
          "log10", [](double x) { return std::log10(x); }, "Logarithm to base 10."),
      row(
          "acos", [](double x) { return std::acos(x); }, "Arc cosine, in radians."),
      row(
          "acosh", [](double x) { return std::acosh(x); }, "Inverse hyperbolic cosine."),
      row(
          "asin", [](double x) { return std::asin(x); }, "Arc sine, in radians."),
      row(
          "asinh", [](double x) { return std::asinh(x); }, "Inverse hyperbolic sine."),
      row(
          "atan", [](double x) { return std::atan(x); }, "Arc tangent, in radians."),
      row(
          "atanh", [](double x) { return std::atanh(x); }, "Inverse hyperbolic tangent."),
      row(
          "cos", [](double x) { return std::cos(x); }, "Cosine of radians."),
      row(
          "cosh", [](double x) { return std::cosh(x); }, "Hyperbolic cosine."),
      row(
          "sin", [](double x) { return std::sin(x); }, "Sine of radians."),
      row(
          "sinh", [](double x) { return std::sinh(x); }, "Hyperbolic sine."),
      row(
          "tan", [](double x) { return std::tan(x); }, "Tangent of radians."),
      row(
          "tanh", [](double x) { return std::tanh(x); }, "Hyperbolic tangent."),
      row(
          "deg", [](double x) { return x * 180 / std::numbers::pi; }, "Radians to degrees."),
      row(
          "rad", [](double x) { return x * std::numbers::pi / 180; }, "Degrees to radians."),
      row("clamp", {kV, kS, kS}, clamp, "Limited to [min, max]; empty when min > max."),
      row("clamp_min", {kV, kS}, clamp_min, "Limited from below."),
      row("clamp_max", {kV, kS}, clamp_max, "Limited from above."),
      row("round", {kV, kS}, round, "Rounded to the nearest multiple of the second argument (1); ties go up.",
          1),
      row("pi", {}, pi, "The number π."),
      row("max_of", {kS, kS}, of_two<go_max>, "The larger of two scalars."),
      row("min_of", {kS, kS}, of_two<go_min>, "The smaller of two scalars."),
  };
  for (Function& f : rows) {
    std::string_view name = f.name;
    if (name == "pi" || name == "max_of" || name == "min_of") f.return_type = kS;
    if (name == "max_of" || name == "min_of") f.experimental = true;
  }
  return rows;
}

}  // namespace sonde::promql
