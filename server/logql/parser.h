// LogQL text → tree → text.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "logql/ast.h"

namespace sonde::logql {

inline constexpr size_t kQueryBytesMax = 16 << 10;
inline constexpr int kDepthMax = 64;       // of parentheses and calls
inline constexpr int kOperatorsMax = 256;  // binary operators of one query
inline constexpr int kStagesMax = 128;     // of one pipeline

// Pure. kInvalid for what is no LogQL, kUnsupported for LogQL that is not built (both name it, with line and
// column), kLimit for the bounds above. Grammar: grafana/loki, pkg/logql/syntax/syntax.y.
Result<ExprPtr> parse(std::string_view query);
// Only {…}. It may be empty of conditions.
Result<Matchers> parse_selector(std::string_view text);

// One line; parses to the same tree again.
std::string to_string(const Expr& expr);
std::string to_string(const LogExpr& log);
std::string to_string(const Matchers& selector);

}  // namespace sonde::logql
