// PromQL text → tree. Grammar: Prometheus 3.14, whole.
//
// Bounds: text 64 KiB, 10,000 nodes, depth 500. Pure; threads: any.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "promql/ast.h"
#include "promql/lexer.h"

namespace sonde::promql {

inline constexpr size_t kQueryBytesMax = 64 * 1024;
inline constexpr int32_t kQueryNodesMax = 10'000;
inline constexpr int32_t kQueryDepthMax = 500;

// What Prometheus keeps behind feature flags; all refused by default, as there.
struct ParserOptions {
  bool experimental_functions = false;    // promql-experimental-functions
  bool fill_modifiers = false;            // promql-binop-fill-modifiers
  bool extended_range_selectors = false;  // promql-extended-range-selectors
  bool duration_expressions = true;

  static ParserOptions everything() { return {true, true, true, true}; }
};

// kInvalid with Prometheus's text: `1:5: parse error: unexpected end of input`. Types are checked too.
Result<ExprPtr> parse(std::string_view query, const ParserOptions& options = {});
// The same, with the place of the mistake apart.
std::expected<ExprPtr, ParseError> parse_located(std::string_view query, const ParserOptions& options = {});
// A lone selector as in match[]: no modifiers, no range.
Result<Matchers> parse_selector(std::string_view text);

}  // namespace sonde::promql
