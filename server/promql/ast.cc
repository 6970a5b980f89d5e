#include "promql/ast.h"

#include <array>

#include "promql/functions/function.h"

namespace sonde::promql {
namespace {

constexpr std::array<const char*, 18> kBinaryNames = {"+",     "-",  "*",  "/",   "%",  "^",
                                                      "atan2", "==", "!=", "<",   ">",  "<=",
                                                      ">=",    "</", ">/", "and", "or", "unless"};
constexpr std::array<const char*, 14> kAggregateNames = {
    "sum",    "avg",  "count",   "min",          "max",      "group",  "stddev",
    "stdvar", "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};

void walk_from(const Expr& e, const Visitor& visit, std::vector<const Expr*>& path) {
  if (!visit(e, path)) return;
  path.push_back(&e);
  for_each_child(e, [&](const Expr& child) { walk_from(child, visit, path); });
  path.pop_back();
}

}  // namespace

const char* to_string(ValueType type) {
  switch (type) {
    case ValueType::kScalar:
      return "scalar";
    case ValueType::kVector:
      return "vector";
    case ValueType::kMatrix:
      return "matrix";
    case ValueType::kString:
      return "string";
    case ValueType::kNone:
      break;
  }
  return "none";
}

const char* describe(ValueType type) {
  if (type == ValueType::kVector) return "instant vector";
  if (type == ValueType::kMatrix) return "range vector";
  return to_string(type);
}

const char* to_string(BinaryOp op) { return kBinaryNames[static_cast<size_t>(op)]; }
bool is_comparison(BinaryOp op) { return op >= BinaryOp::kEqual && op <= BinaryOp::kGreaterEqual; }
bool is_set_operator(BinaryOp op) { return op >= BinaryOp::kAnd; }

const char* to_string(AggregateOp op) { return kAggregateNames[static_cast<size_t>(op)]; }
std::optional<AggregateOp> aggregate_op_from(std::string_view name) {
  for (size_t i = 0; i < kAggregateNames.size(); i++) {
    if (name == kAggregateNames[i]) return static_cast<AggregateOp>(i);
  }
  return std::nullopt;
}
bool takes_parameter(AggregateOp op) { return op >= AggregateOp::kTopk; }

const char* to_string(MatchCardinality card) {
  switch (card) {
    case MatchCardinality::kOneToOne:
      return "one-to-one";
    case MatchCardinality::kManyToOne:
      return "many-to-one";
    case MatchCardinality::kOneToMany:
      return "one-to-many";
    case MatchCardinality::kManyToMany:
      return "many-to-many";
  }
  return "";
}

ValueType Call::type() const { return function->return_type; }

const Expr& unwrap(const Expr& e) {
  const Expr* at = &e;
  while (const auto* paren = as<ParenExpr>(at)) at = paren->expr.get();
  return *at;
}

void for_each_child(const Expr& e, const std::function<void(const Expr&)>& f) {
  if (const auto* m = as<MatrixSelector>(e)) {
    f(*m->selector);
  } else if (const auto* s = as<SubqueryExpr>(e)) {
    f(*s->expr);
  } else if (const auto* c = as<Call>(e)) {
    for (const auto& arg : c->args) f(*arg);
  } else if (const auto* a = as<AggregateExpr>(e)) {
    if (a->param) f(*a->param);
    f(*a->expr);
  } else if (const auto* b = as<BinaryExpr>(e)) {
    f(*b->lhs);
    f(*b->rhs);
  } else if (const auto* u = as<UnaryExpr>(e)) {
    f(*u->expr);
  } else if (const auto* p = as<ParenExpr>(e)) {
    f(*p->expr);
  }
}

void walk(const Expr& root, const Visitor& visit) {
  std::vector<const Expr*> path;
  walk_from(root, visit, path);
}

std::vector<SelectorUse> selectors_of(const Expr& root) {
  std::vector<SelectorUse> out;
  walk(root, [&](const Expr& e, const std::vector<const Expr*>& path) {
    if (const auto* s = as<VectorSelector>(e)) {
      const auto* matrix = path.empty() ? nullptr : as<MatrixSelector>(path.back());
      out.push_back({s, matrix ? matrix->range_ms : 0});
    }
    return true;
  });
  return out;
}

}  // namespace sonde::promql
