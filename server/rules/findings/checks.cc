#include "rules/findings/checks.h"

#include <algorithm>
#include <string_view>

#include "promql/functions/function.h"

namespace sonde::rules::findings {

using namespace promql;

namespace {

bool is_call(const Expr& e, std::string_view name) {
  const auto* call = as<Call>(e);
  return call && call->function->name == name;
}

bool guards(const Expr& ancestor, uint32_t child) {
  if (is_call(ancestor, "absent") || is_call(ancestor, "absent_over_time")) return true;
  const auto* b = as<BinaryExpr>(ancestor);
  return b && (b->op == BinaryOp::kOr || (b->op == BinaryOp::kUnless && child == 1));
}

std::optional<double> number_in(const Expr& e) {
  const Expr& inner = unwrap(e);
  if (const auto* n = as<NumberLiteral>(inner)) return n->value;
  const auto* u = as<UnaryExpr>(inner);
  if (!u) return std::nullopt;
  const auto* n = as<NumberLiteral>(unwrap(*u->expr));
  if (!n) return std::nullopt;
  return u->negative ? -n->value : n->value;
}

BinaryOp mirrored(BinaryOp op) {
  switch (op) {
    case BinaryOp::kLess:
      return BinaryOp::kGreater;
    case BinaryOp::kGreater:
      return BinaryOp::kLess;
    case BinaryOp::kLessEqual:
      return BinaryOp::kGreaterEqual;
    case BinaryOp::kGreaterEqual:
      return BinaryOp::kLessEqual;
    default:
      return op;
  }
}

}  // namespace

bool is_guarded(const std::vector<const Expr*>& ancestors, const Path& path) {
  for (size_t i = 0; i < ancestors.size(); i++) {
    if (guards(*ancestors[i], path[i])) return true;
  }
  return false;
}

std::vector<Site> sites_of(const Expr& root) {
  std::vector<Site> sites;
  walk_places(root, [&](const Expr& e, const Path& path, const std::vector<const Expr*>& ancestors) {
    Site site;
    site.matrix = as<MatrixSelector>(e);
    site.selector = site.matrix ? site.matrix->selector.get() : as<VectorSelector>(e);
    if (!site.selector) return;
    site.path = path;
    site.ancestors = ancestors;
    if (site.matrix && !ancestors.empty()) site.function = as<Call>(ancestors.back());
    site.guarded = is_guarded(ancestors, path);
    for (size_t i = 0; i < ancestors.size(); i++) {
      if (is_call(*ancestors[i], "histogram_quantile") && path[i] == 1) site.quantile = i;
    }
    sites.push_back(std::move(site));
  });
  return sites;
}

std::vector<Comparison> comparisons_of(const Expr& root) {
  std::vector<Comparison> out;
  walk_places(root, [&](const Expr& e, const Path& path, const std::vector<const Expr*>& ancestors) {
    const auto* b = as<BinaryExpr>(e);
    if (!b || !is_comparison(b->op) || b->type() != ValueType::kVector) return;
    bool left = b->lhs->type() == ValueType::kVector;
    std::optional<double> number = number_in(left ? *b->rhs : *b->lhs);
    if (!number) return;
    Comparison c;
    c.expr = b;
    c.op = left ? b->op : mirrored(b->op);
    c.threshold = *number;
    c.path = path;
    c.side = path;
    c.side.push_back(left ? 0 : 1);
    c.number = path;
    c.number.push_back(left ? 1 : 0);
    c.vector = left ? b->lhs.get() : b->rhs.get();
    while (const auto* p = as<ParenExpr>(c.vector)) {
      c.vector = p->expr.get();
      c.side.push_back(0);
    }
    c.guarded = is_guarded(ancestors, path);
    c.top_level = std::all_of(ancestors.begin(), ancestors.end(), [](const Expr* a) {
      const auto* binary = as<BinaryExpr>(a);
      return a->kind == ExprKind::kParen || (binary && is_set_operator(binary->op));
    });
    out.push_back(std::move(c));
  });
  return out;
}

std::optional<Duration> scrape_interval(const Subject& s, const VectorSelector& selector) {
  if (auto d = s.evidence.sample_distance(selector.matchers)) return d;
  if (!s.options.scrape_interval_of) return std::nullopt;
  std::string job;
  for (const Matcher& m : selector.matchers) {
    if (m.name() == "job" && m.op() == MatchOp::kEqual) job = m.value();
  }
  return s.options.scrape_interval_of(selector.name, job);
}

Duration rate_range(const Subject& s, const VectorSelector& selector) {
  Duration range = Duration::minutes(5);
  if (auto interval = scrape_interval(s, selector)) {
    // Whole minutes read better, and jitter must not show.
    int64_t minute = Duration::minutes(1).ns;
    range = std::max(range, Duration{((*interval * 4).ns + minute / 2) / minute * minute});
  }
  return range;
}

std::vector<Found> check_rule(const Subject& s) {
  std::vector<Found> out;
  const Expr& root = *s.rule().expr;
  std::vector<Site> sites = sites_of(root);
  check_missing_series(s, sites, out);
  check_unrated_quantiles(s, sites, out);
  check_thresholds(s, root, s.rule().query, out);
  check_label_values(s, sites, out);
  check_ranges(s, sites, out);
  check_hold(s, out);
  check_ratios(s, sites, out);
  check_absolute_rates(s, out);
  check_warnings(s, out);
  return out;
}

}  // namespace sonde::rules::findings
