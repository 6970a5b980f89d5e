// The table of PromQL functions: a row each, by family; documentation and completion derive from the rows.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "promql/ast.h"

namespace sonde::promql {

class Evaluator;
struct EvalValue;
struct Grid;
struct Window;
struct WindowCall;
struct Output;

// Computes one value from the samples of one window; false: no value at this step.
using WindowCode = bool (*)(const Window& window, WindowCall& call, Output& out);
// One float in, one float out.
using MapCode = double (*)(double);
// Everything else: evaluates its arguments itself.
using CallCode = Result<EvalValue> (*)(Evaluator& ev, const Call& call, const Grid& grid);

struct Function {
  const char* name;
  std::vector<ValueType> arg_types;
  int variadic =
      0;  // 0: exactly arg_types; n > 0: up to n of them may be left out; -1: the last repeats, or none
  ValueType return_type = ValueType::kVector;
  const char* doc = "";
  // Exactly one of the three.
  WindowCode window = nullptr;
  MapCode map = nullptr;
  CallCode call = nullptr;
  bool experimental = false;
  bool keeps_name = false;      // of window functions: the metric name stays
  bool time_dependent = false;  // not the same at every step even when all its arguments are
};

// In order of name. Rows live for ever.
std::span<const Function* const> all_functions();
// Null when there is none.
const Function* find_function(std::string_view name);

// Families.
std::vector<Function> math_functions();
std::vector<Function> time_functions();
std::vector<Function> rate_functions();
std::vector<Function> over_time_functions();
std::vector<Function> histogram_functions();
std::vector<Function> label_functions();
std::vector<Function> vector_functions();
std::vector<Function> info_functions();

}  // namespace sonde::promql
