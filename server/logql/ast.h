// The tree of a LogQL query: what is built here, and nothing that is not.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/matcher.h"

namespace re2 {
class RE2;
}

namespace sonde::logql {

enum class LineOp : uint8_t { kContains, kNotContains, kMatches, kNotMatches };
const char* to_string(LineOp op);  // "|=", "!=", "|~", "!~"

// |= "a" or "b". Expressions are RE2, not anchored.
struct LineFilter {
  LineOp op = LineOp::kContains;
  std::vector<std::string> values;                           // at least one, OR-ed
  std::vector<std::shared_ptr<const re2::RE2>> expressions;  // of kMatches and kNotMatches, one a value
};

struct JsonStage {};
struct LogfmtStage {};

enum class CompareOp : uint8_t { kEqual, kNotEqual, kGreater, kGreaterEqual, kLess, kLessEqual };
const char* to_string(CompareOp op);  // "==", "!=", ">", …

enum class Unit : uint8_t { kNumber, kDuration, kBytes };

// A number as the query has it; durations in seconds, and exactly in `ns`.
struct Quantity {
  double value = 0;
  int64_t ns = 0;  // kDuration
  Unit unit = Unit::kNumber;
};

// A condition on labels: text (a matcher), a quantity, or several conditions.
struct Predicate {
  enum class Kind : uint8_t { kText, kQuantity, kAnd, kOr } kind = Kind::kText;
  Matcher matcher;   // kText
  std::string name;  // kQuantity
  CompareOp op = CompareOp::kEqual;
  Quantity quantity;
  std::vector<Predicate> parts;  // kAnd, kOr: two or more
};

struct LabelFilter {
  Predicate predicate;
};

// drop and keep: by name, or by name and value.
struct LabelChoice {
  std::string name;
  std::shared_ptr<const Matcher> matcher;  // null: whatever the value
};
struct LabelSelection {
  bool keep = false;
  std::vector<LabelChoice> labels;
};

using Stage = std::variant<LineFilter, JsonStage, LogfmtStage, LabelFilter, LabelSelection>;

struct LogExpr {
  Matchers selector;
  std::vector<Stage> stages;
};

enum class RangeOp : uint8_t { kRate, kCountOverTime, kBytesRate, kBytesOverTime };
const char* to_string(RangeOp op);  // "rate", …

enum class AggregateOp : uint8_t { kSum, kCount, kAvg, kMin, kMax, kTopk, kBottomk };
const char* to_string(AggregateOp op);

enum class BinaryOp : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kGreater,
  kGreaterEqual,
  kLess,
  kLessEqual
};
const char* to_string(BinaryOp op);
inline bool is_comparison(BinaryOp op) { return op >= BinaryOp::kEqual; }
// Higher binds tighter; all join to the left but the power.
inline int precedence(BinaryOp op) {
  if (is_comparison(op)) return 1;
  if (op == BinaryOp::kPower) return 4;
  return op <= BinaryOp::kSubtract ? 2 : 3;
}

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct NumberExpr {
  double value = 0;
};
struct VectorExpr {
  double value = 0;
};
// Over (t - range - offset, t - offset].
struct RangeExpr {
  RangeOp op = RangeOp::kRate;
  LogExpr log;
  Duration range;
  Duration offset;
};
struct AggregateExpr {
  AggregateOp op = AggregateOp::kSum;
  bool without = false;
  std::vector<std::string> grouping;
  bool grouped = false;  // by () or without () was written
  int64_t k = 0;         // kTopk, kBottomk
  ExprPtr inner;
};
struct BinaryExpr {
  BinaryOp op = BinaryOp::kAdd;
  bool returns_bool = false;
  ExprPtr left;
  ExprPtr right;
};

struct Expr {
  std::variant<LogExpr, NumberExpr, VectorExpr, RangeExpr, AggregateExpr, BinaryExpr> node;
  bool is_log() const { return std::holds_alternative<LogExpr>(node); }
};

}  // namespace sonde::logql
