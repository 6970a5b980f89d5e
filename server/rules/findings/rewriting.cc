#include "rules/findings/rewriting.h"

#include <utility>

#include "base/assert.h"
#include "promql/functions/function.h"

namespace sonde::rules::findings {

using namespace promql;

namespace {

// Depth is bounded by the parser.
void visit_below(const Expr& e, Path& path, std::vector<const Expr*>& ancestors, const PlaceVisitor& visit) {
  visit(e, path, ancestors);
  if (e.kind == ExprKind::kMatrixSelector) return;
  ancestors.push_back(&e);
  uint32_t index = 0;
  for_each_child(e, [&](const Expr& child) {
    path.push_back(index++);
    visit_below(child, path, ancestors, visit);
    path.pop_back();
  });
  ancestors.pop_back();
}

template <class T>
T* mutable_as(Expr& e) {
  return e.kind == T::kKind ? static_cast<T*>(&e) : nullptr;
}

ExprPtr* child_slot(Expr& e, uint32_t index) {
  if (auto* s = mutable_as<SubqueryExpr>(e)) return &s->expr;
  if (auto* c = mutable_as<Call>(e)) return &c->args.at(index);
  if (auto* a = mutable_as<AggregateExpr>(e)) return a->param && index == 0 ? &a->param : &a->expr;
  if (auto* b = mutable_as<BinaryExpr>(e)) return index == 0 ? &b->lhs : &b->rhs;
  if (auto* u = mutable_as<UnaryExpr>(e)) return &u->expr;
  if (auto* p = mutable_as<ParenExpr>(e)) return &p->expr;
  return nullptr;
}

}  // namespace

void walk_places(const Expr& root, const PlaceVisitor& visit) {
  Path path;
  std::vector<const Expr*> ancestors;
  visit_below(root, path, ancestors, visit);
}

Draft::Draft(std::string_view query, const ParserOptions& options) : options_(options) {
  auto parsed = parse(query, options);
  SONDE_ASSERT(parsed.has_value());
  root_ = std::move(*parsed);
}

ExprPtr& Draft::at(const Path& path) {
  ExprPtr* slot = &root_;
  for (uint32_t index : path) {
    slot = child_slot(**slot, index);
    SONDE_ASSERT(slot != nullptr);
  }
  return *slot;
}

VectorSelector& Draft::selector_at(const Path& path) {
  Expr& e = *at(path);
  if (auto* m = mutable_as<MatrixSelector>(e)) return *m->selector;
  auto* s = mutable_as<VectorSelector>(e);
  SONDE_ASSERT(s != nullptr);
  return *s;
}

std::string Draft::print() const {
  std::string text = promql::to_string(*root_);
  return parse(text, options_) ? text : std::string();
}

void rename(VectorSelector& selector, const std::string& name) {
  selector.name = name;
  std::erase_if(selector.matchers, [](const Matcher& m) { return m.name() == kMetricName; });
  selector.matchers.push_back(Matcher::equal(std::string(kMetricName), name));
}

ExprPtr rate_of(ExprPtr instant_selector, Duration range) {
  SONDE_ASSERT(instant_selector->kind == ExprKind::kVectorSelector);
  auto matrix = std::make_unique<MatrixSelector>();
  matrix->selector.reset(static_cast<VectorSelector*>(instant_selector.release()));
  matrix->range_ms = range.ms();
  auto call = std::make_unique<Call>();
  call->function = find_function("rate");
  call->args.push_back(std::move(matrix));
  return call;
}

ExprPtr sum_by(ExprPtr expr, std::vector<std::string> grouping) {
  auto sum = std::make_unique<AggregateExpr>();
  sum->op = AggregateOp::kSum;
  sum->grouping = std::move(grouping);
  sum->expr = std::move(expr);
  return sum;
}

ExprPtr ratio_of(ExprPtr numerator, ExprPtr denominator) {
  auto ratio = std::make_unique<BinaryExpr>();
  ratio->op = BinaryOp::kDiv;
  ratio->lhs = std::move(numerator);
  ratio->rhs = std::move(denominator);
  return ratio;
}

}  // namespace sonde::rules::findings
