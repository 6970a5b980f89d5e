// The syntax tree of PromQL, as parsed: what rules, the API and the engine walk over.
//
// Trees own their children and are immutable after parsing. Depth and node count are bounded by the parser,
// so recursion over a tree is safe. Positions are byte offsets into the query text. Threads: safe to share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/matcher.h"

namespace sonde::promql {

struct Function;

enum class ValueType : uint8_t { kNone, kScalar, kVector, kMatrix, kString };
const char* to_string(ValueType type);  // "none", "scalar", "vector", "matrix", "string": as in the HTTP API
const char* describe(ValueType type);   // "instant vector", "range vector", …: as in error texts

enum class BinaryOp : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEqual,
  kNotEqual,
  kLess,
  kGreater,
  kLessEqual,
  kGreaterEqual,
  kTrimUpper,
  kTrimLower,
  kAnd,
  kOr,
  kUnless,
};
const char* to_string(BinaryOp op);
bool is_comparison(BinaryOp op);
bool is_set_operator(BinaryOp op);

enum class AggregateOp : uint8_t {
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
};
const char* to_string(AggregateOp op);
std::optional<AggregateOp> aggregate_op_from(std::string_view lower_case_name);
bool takes_parameter(AggregateOp op);

enum class ExprKind : uint8_t {
  kNumber,
  kString,
  kVectorSelector,
  kMatrixSelector,
  kSubquery,
  kCall,
  kAggregate,
  kBinary,
  kUnary,
  kParen,
  kDuration,  // inside ranges, steps and offsets only
};

struct PositionRange {
  int32_t start = 0;
  int32_t end = 0;
};

struct Expr {
  explicit Expr(ExprKind k) : kind(k) {}
  virtual ~Expr() = default;
  Expr(const Expr&) = delete;
  Expr& operator=(const Expr&) = delete;
  virtual ValueType type() const = 0;

  const ExprKind kind;
  int32_t depth = 1;  // of the tree below, this node included
  PositionRange pos;
};
using ExprPtr = std::unique_ptr<Expr>;

struct NumberLiteral final : Expr {
  static constexpr ExprKind kKind = ExprKind::kNumber;
  NumberLiteral() : Expr(kKind) {}
  ValueType type() const override { return ValueType::kScalar; }
  double value = 0;
  bool is_duration = false;  // written as 5m
};

struct StringLiteral final : Expr {
  static constexpr ExprKind kKind = ExprKind::kString;
  StringLiteral() : Expr(kKind) {}
  ValueType type() const override { return ValueType::kString; }
  std::string value;
};

enum class AtKind : uint8_t { kNone, kTimestamp, kStart, kEnd };

// offset and @ of a selector or subquery.
struct TimeModifiers {
  int64_t offset_ms = 0;
  ExprPtr offset_expr;  // instead of offset_ms when it has step() or range() in it, or arithmetic
  bool has_offset = false;
  AtKind at = AtKind::kNone;
  int64_t at_ms = 0;  // of kTimestamp
};

struct VectorSelector final : Expr {
  static constexpr ExprKind kKind = ExprKind::kVectorSelector;
  VectorSelector() : Expr(kKind) {}
  ValueType type() const override { return ValueType::kVector; }
  std::string name;   // as written before or inside the braces; empty: none
  Matchers matchers;  // all, with the one on __name__ that `name` stands for (last)
  TimeModifiers modifiers;
  bool anchored = false;
  bool smoothed = false;
};

struct MatrixSelector final : Expr {
  static constexpr ExprKind kKind = ExprKind::kMatrixSelector;
  MatrixSelector() : Expr(kKind) {}
  ValueType type() const override { return ValueType::kMatrix; }
  std::unique_ptr<VectorSelector> selector;  // carries the modifiers
  int64_t range_ms = 0;
  ExprPtr range_expr;  // instead of range_ms
};

struct SubqueryExpr final : Expr {
  static constexpr ExprKind kKind = ExprKind::kSubquery;
  SubqueryExpr() : Expr(kKind) {}
  ValueType type() const override { return ValueType::kMatrix; }
  ExprPtr expr;
  int64_t range_ms = 0;
  ExprPtr range_expr;
  int64_t step_ms = 0;  // 0: the engine's default
  ExprPtr step_expr;
  TimeModifiers modifiers;
};

struct Call final : Expr {
  static constexpr ExprKind kKind = ExprKind::kCall;
  Call() : Expr(kKind) {}
  ValueType type() const override;
  const Function* function = nullptr;  // a row of the table; never null
  std::vector<ExprPtr> args;
};

struct AggregateExpr final : Expr {
  static constexpr ExprKind kKind = ExprKind::kAggregate;
  AggregateExpr() : Expr(kKind) {}
  ValueType type() const override { return ValueType::kVector; }
  AggregateOp op = AggregateOp::kSum;
  ExprPtr expr;
  ExprPtr param;  // null unless takes_parameter(op)
  std::vector<std::string> grouping;
  bool without = false;
};

enum class MatchCardinality : uint8_t { kOneToOne, kManyToOne, kOneToMany, kManyToMany };
const char* to_string(MatchCardinality card);  // "one-to-one", …

struct VectorMatching {
  MatchCardinality card = MatchCardinality::kOneToOne;
  std::vector<std::string> labels;  // of on or ignoring
  bool on = false;
  std::vector<std::string> include;  // of group_left or group_right
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};

struct BinaryExpr final : Expr {
  static constexpr ExprKind kKind = ExprKind::kBinary;
  BinaryExpr() : Expr(kKind) {}
  ValueType type() const override {
    return lhs->type() == ValueType::kScalar && rhs->type() == ValueType::kScalar ? ValueType::kScalar
                                                                                  : ValueType::kVector;
  }
  BinaryOp op = BinaryOp::kAdd;
  ExprPtr lhs;
  ExprPtr rhs;
  VectorMatching matching;  // meaningful between two vectors
  bool return_bool = false;
};

struct UnaryExpr final : Expr {
  static constexpr ExprKind kKind = ExprKind::kUnary;
  UnaryExpr() : Expr(kKind) {}
  ValueType type() const override { return expr->type(); }
  bool negative = false;
  ExprPtr expr;
};

struct ParenExpr final : Expr {
  static constexpr ExprKind kKind = ExprKind::kParen;
  ParenExpr() : Expr(kKind) {}
  ValueType type() const override { return expr->type(); }
  ExprPtr expr;
};

enum class DurationOp : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kNegate,
  kPlus,
  kStep,
  kRange,
  kMinOf,
  kMaxOf
};

// Arithmetic over seconds inside [] and after offset; leaves are NumberLiterals, step() and range().
struct DurationExpr final : Expr {
  static constexpr ExprKind kKind = ExprKind::kDuration;
  DurationExpr() : Expr(kKind) {}
  ValueType type() const override { return ValueType::kScalar; }
  DurationOp op = DurationOp::kAdd;
  ExprPtr lhs;           // null for unary operators, step() and range()
  ExprPtr rhs;           // the operand of unary operators
  bool wrapped = false;  // in parentheses
};

// Null when `e` is of another kind.
template <class T>
const T* as(const Expr* e) {
  return e && e->kind == T::kKind ? static_cast<const T*>(e) : nullptr;
}
template <class T>
const T* as(const Expr& e) {
  return as<T>(&e);
}

// Without the parentheses around it.
const Expr& unwrap(const Expr& e);

// Calls `f` for each direct child: parameter before expression, left before right; a matrix selector's child
// is its vector selector. Duration expressions are not visited.
void for_each_child(const Expr& e, const std::function<void(const Expr&)>& f);

// Depth first, parents before children. `path` holds the ancestors, outermost first. Return false to skip
// what is below a node.
using Visitor = std::function<bool(const Expr& e, const std::vector<const Expr*>& path)>;
void walk(const Expr& root, const Visitor& visit);

// Every vector selector, with its range (0: instant), in order of appearance.
struct SelectorUse {
  const VectorSelector* selector = nullptr;
  int64_t range_ms = 0;
};
std::vector<SelectorUse> selectors_of(const Expr& root);

// As Prometheus prints it: one line, parses back to the same tree.
std::string to_string(const Expr& e);
// Broken over lines where longer than 100 columns, indented by two spaces (format_query).
std::string prettify(const Expr& e);
// {a="b"} matchers with `name` in front, as printed by to_string, without modifiers.
std::string selector_to_string(const VectorSelector& s);
// A label name in a list; quoted unless a legacy identifier.
std::string label_name_to_string(const std::string& name);

}  // namespace sonde::promql
