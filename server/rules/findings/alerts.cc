// Comparisons that can not hold for long enough, ratios of series that do not belong together, rates taken
// for ratios, and what evaluation said and nobody read.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "promql/functions/function.h"
#include "rules/findings/checks.h"

namespace sonde::rules::findings {

using namespace promql;

namespace {

constexpr size_t kWarningsMax = 10;

// Functions whose value shows one burst for as long as it is in the range.
bool shows_burst(std::string_view function) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "rate",          "increase",      "irate",         "changes",        "resets",
      "max_over_time", "sum_over_time", "avg_over_time", "count_over_time"};
  return std::find(kNames.begin(), kNames.end(), function) != kNames.end();
}

// Through what keeps a burst a burst: sums, factors, signs.
const Call* burst_in(const Expr* e) {
  while (e) {
    e = &unwrap(*e);
    if (const auto* c = as<Call>(e)) {
      return !c->args.empty() && as<MatrixSelector>(*c->args[0]) && shows_burst(c->function->name) ? c
                                                                                                   : nullptr;
    }
    if (const auto* a = as<AggregateExpr>(e)) {
      bool keeps = a->op == AggregateOp::kSum || a->op == AggregateOp::kAvg || a->op == AggregateOp::kMax ||
                   a->op == AggregateOp::kTopk;
      e = keeps ? a->expr.get() : nullptr;
    } else if (const auto* b = as<BinaryExpr>(e)) {
      bool factor = b->op == BinaryOp::kMul || b->op == BinaryOp::kDiv;
      if (factor && b->rhs->type() == ValueType::kScalar) {
        e = b->lhs.get();
      } else if (b->op == BinaryOp::kMul && b->lhs->type() == ValueType::kScalar) {
        e = b->rhs.get();
      } else {
        return nullptr;
      }
    } else {
      return nullptr;
    }
  }
  return nullptr;
}

const VectorSelector* only_selector(const Expr& side) {
  const Expr& e = unwrap(side);
  if (const auto* v = as<VectorSelector>(e)) return v;
  const auto* c = as<Call>(e);
  if (!c || c->args.size() != 1) return nullptr;
  const auto* m = as<MatrixSelector>(*c->args[0]);
  return m ? m->selector.get() : nullptr;
}

// Whether all conditions of `wide` are in `narrow`, which has more.
bool narrows(const Matchers& narrow, const Matchers& wide) {
  return narrow.size() > wide.size() && std::all_of(wide.begin(), wide.end(), [&](const Matcher& m) {
           return std::find(narrow.begin(), narrow.end(), m) != narrow.end();
         });
}

// Whether the sides, with the same selector, would be the same: function, range and offset.
bool same_but_for(const Expr& a, const VectorSelector& in_a, const Expr& b, const VectorSelector& in_b) {
  auto frame = [](const Expr& e, const VectorSelector& s) {
    std::string text = promql::to_string(unwrap(e));
    std::string selector = selector_to_string(s);
    size_t at = text.find(selector);
    return at == std::string::npos ? text : text.replace(at, selector.size(), "_");
  };
  return frame(a, in_a) == frame(b, in_b);
}

bool plain_matching(const BinaryExpr& b) {
  const VectorMatching& m = b.matching;
  return m.card == MatchCardinality::kOneToOne && !m.on && m.labels.empty() && !m.fill_left && !m.fill_right;
}

// The names of the labels that are compared between the sides, for each kind of series.
std::set<std::vector<std::string>> shapes(const Vector& vector, const VectorMatching& matching) {
  std::set<std::vector<std::string>> out;
  for (const VectorSample& sample : vector) {
    std::vector<std::string> names;
    for (LabelView l : sample.labels) {
      bool listed =
          std::find(matching.labels.begin(), matching.labels.end(), l.name) != matching.labels.end();
      if (l.name != kMetricName && listed == matching.on) names.emplace_back(l.name);
    }
    out.insert(std::move(names));
  }
  return out;
}

std::string list(const std::set<std::vector<std::string>>& shapes) {
  if (shapes.empty() || shapes.begin()->empty()) return "no labels";
  return fmt::format("{}", fmt::join(*shapes.begin(), ", "));
}

bool all_have(const Vector& vector, std::string_view label) {
  return std::all_of(vector.begin(), vector.end(),
                     [&](const VectorSample& v) { return v.labels.has(label); });
}

std::optional<Vector> evaluate(const Subject& s, const Expr& e, std::string_view text) {
  QueryContext context;
  context.cancel = s.evidence.cancel();
  auto result = s.engine.instant(e, text, s.evidence.now(), context);
  if (!result) return std::nullopt;
  auto* v = std::get_if<Vector>(&result->value);
  if (!v) return std::nullopt;
  return std::move(*v);
}

Path below(const Path& path, uint32_t child) {
  Path out = path;
  out.push_back(child);
  return out;
}

void wrap(Draft& draft, const Path& path, const std::vector<std::string>& by) {
  ExprPtr& slot = draft.at(path);
  slot = sum_by(std::move(slot), by);
}

// Both sides summed by the same labels; empty when that finds no pairs either.
std::string summed_ratio(const Subject& s, const BinaryExpr& ratio, const Path& path, const Vector& left,
                         const Vector& right) {
  if (!plain_matching(ratio)) return "";
  const auto* a = as<AggregateExpr>(unwrap(*ratio.lhs));
  const auto* b = as<AggregateExpr>(unwrap(*ratio.rhs));
  if ((a && (a->without || a->op != AggregateOp::kSum)) ||
      (b && (b->without || b->op != AggregateOp::kSum))) {
    return "";
  }
  std::vector<std::string> by;
  if (a && b) {
    for (const std::string& name : a->grouping) {
      if (std::find(b->grouping.begin(), b->grouping.end(), name) != b->grouping.end()) by.push_back(name);
    }
  } else if (a || b) {
    for (const std::string& name : (a ? a : b)->grouping) {
      if (!all_have(a ? right : left, name)) return "";
      by.push_back(name);
    }
  } else if (all_have(left, "job") && all_have(right, "job")) {
    by.push_back("job");
  }
  Draft draft(s.rule().query, s.parser());
  for (uint32_t side : {0U, 1U}) {
    Path place = below(path, side);
    while (as<ParenExpr>(*draft.at(place))) place.push_back(0);
    if (draft.at(place)->kind == ExprKind::kAggregate) {
      static_cast<AggregateExpr&>(*draft.at(place)).grouping = by;
    } else {
      wrap(draft, place, by);
    }
  }
  std::string text = draft.print();
  if (text.empty()) return "";
  Draft made(text, s.parser());
  auto pairs = evaluate(s, *made.at(path), text);
  return pairs && !pairs->empty() ? text : "";
}

// Labels that say how something ended, by which a part of the whole is selected.
bool is_outcome(std::string_view label) {
  static constexpr std::array<std::string_view, 9> kNames = {
      "status", "code", "result", "outcome", "error", "success", "level", "severity", "reason"};
  return std::find(kNames.begin(), kNames.end(), label) != kNames.end() || label.ends_with("_status") ||
         label.ends_with("_code") || label.ends_with("_result") || label.ends_with("_outcome");
}

}  // namespace

void check_hold(const Subject& s, std::vector<Found>& out) {
  const Rule& rule = s.rule();
  if (!rule.alerting || rule.hold.ns <= 0) return;
  for (const Comparison& c : comparisons_of(*rule.expr)) {
    if (!c.top_level || c.expr->return_bool) continue;
    if (c.op != BinaryOp::kGreater && c.op != BinaryOp::kGreaterEqual) continue;
    const Call* burst = burst_in(c.vector);
    if (!burst) continue;
    const auto& matrix = static_cast<const MatrixSelector&>(*burst->args[0]);
    auto range = Duration::milliseconds(matrix.range_ms);
    if (matrix.range_expr || range.ns <= 0 || rule.hold < range) continue;
    Found f;
    f.class_name = kForOutlastsRange;
    f.subject = promql::to_string(*burst);
    f.message = fmt::format(
        "a burst within one scrape interval, however large, is seen by {} for less than {}, and `for: {}` "
        "waits "
        "longer: only what goes on longer than that can fire; to be told of bursts, take a `for` well below "
        "{}, "
        "or a longer range",
        f.subject, print(range), print(rule.hold), print(range));
    out.push_back(std::move(f));
  }
}

void check_ratios(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out) {
  auto aggregated = [&](const Path& side) {
    return std::any_of(sites.begin(), sites.end(), [&](const Site& site) {
      if (site.path.size() < side.size() || !std::equal(side.begin(), side.end(), site.path.begin()))
        return false;
      return std::any_of(site.ancestors.begin() + static_cast<std::ptrdiff_t>(side.size()),
                         site.ancestors.end(), [](const Expr* e) { return e->kind == ExprKind::kAggregate; });
    });
  };
  const Rule& rule = s.rule();
  walk_places(*rule.expr, [&](const Expr& e, const Path& path, const std::vector<const Expr*>& ancestors) {
    const auto* ratio = as<BinaryExpr>(e);
    if (!ratio || ratio->op != BinaryOp::kDiv || ratio->lhs->type() != ValueType::kVector ||
        ratio->rhs->type() != ValueType::kVector) {
      return;
    }
    if (is_guarded(ancestors, path)) return;
    const VectorSelector* part = only_selector(*ratio->lhs);
    const VectorSelector* whole = only_selector(*ratio->rhs);
    bool plain = plain_matching(*ratio) && !aggregated(below(path, 0)) && !aggregated(below(path, 1));
    Found f;
    f.class_name = kUnaggregatedRatio;
    f.subject = promql::to_string(e);
    if (plain && part && whole && !part->name.empty() && part->name == whole->name &&
        narrows(part->matchers, whole->matchers) && same_but_for(*ratio->lhs, *part, *ratio->rhs, *whole)) {
      f.message = fmt::format(
          "{} divides each series by itself, because both sides keep all labels: it is 1 wherever there is "
          "anything at all, and not a share; sum both sides first",
          f.subject);
      std::vector<std::string> by = s.evidence.grouping(whole->matchers);
      Draft draft(rule.query, s.parser());
      wrap(draft, below(path, 0), by);
      wrap(draft, below(path, 1), by);
      f.rewrite = draft.print();
      out.push_back(std::move(f));
      return;
    }
    if (ratio->matching.fill_left || ratio->matching.fill_right) return;
    auto left = evaluate(s, *ratio->lhs, rule.query);
    auto right = evaluate(s, *ratio->rhs, rule.query);
    if (!left || !right || left->empty() || right->empty()) return;
    auto left_shapes = shapes(*left, ratio->matching);
    auto right_shapes = shapes(*right, ratio->matching);
    bool pairs = std::any_of(left_shapes.begin(), left_shapes.end(),
                             [&](const auto& shape) { return right_shapes.contains(shape); });
    if (pairs) return;
    f.severity = Severity::kError;
    f.message = fmt::format(
        "the sides of {} keep different labels ({} against {}), so no series on one side has a partner on "
        "the "
        "other, and the result is always empty",
        f.subject, list(left_shapes), list(right_shapes));
    f.rewrite = summed_ratio(s, *ratio, path, *left, *right);
    out.push_back(std::move(f));
  });
}

void check_absolute_rates(const Subject& s, std::vector<Found>& out) {
  const Rule& rule = s.rule();
  if (!rule.alerting) return;
  for (const Comparison& c : comparisons_of(*rule.expr)) {
    if (!c.top_level || (c.op != BinaryOp::kGreater && c.op != BinaryOp::kGreaterEqual)) continue;
    if (!(c.threshold > 0 && c.threshold < 1)) continue;  // else it can be no share
    const auto* call = as<Call>(c.vector);
    if (!call) continue;
    std::string_view function = call->function->name;
    if (function != "rate" && function != "irate") continue;
    const auto* matrix = as<MatrixSelector>(*call->args[0]);
    if (!matrix || matrix->range_expr) continue;
    const VectorSelector& selector = *matrix->selector;
    for (const Matcher& m : selector.matchers) {
      if (!is_outcome(m.name()) || (m.op() != MatchOp::kEqual && m.op() != MatchOp::kRegex)) continue;
      Matchers whole = without_label(selector.matchers, m.name());
      auto values = s.evidence.values(m.name(), whole);
      if (!values ||
          std::all_of(values->begin(), values->end(), [&](const std::string& v) { return m.matches(v); })) {
        continue;
      }
      Found f;
      f.class_name = kUnaggregatedRatio;
      f.subject = promql::to_string(*call);
      auto range = Duration::milliseconds(matrix->range_ms);
      f.message = fmt::format(
          "{} is a number per second for each series by itself, not a share of the whole: {} means more than "
          "{} in "
          "{} in a single series, and many series just below it never add up",
          f.subject, format_value(c.threshold), fmt::format("{:.6g}", c.threshold * range.to_seconds()),
          print(range));
      std::vector<std::string> by = s.evidence.grouping(whole);
      Draft draft(rule.query, s.parser());
      Draft other(rule.query, s.parser());
      Path place = below(c.side, 0);
      std::erase_if(other.selector_at(place).matchers,
                    [&](const Matcher& o) { return o.name() == m.name(); });
      ExprPtr& slot = draft.at(c.side);
      slot = ratio_of(sum_by(std::move(slot), by), sum_by(std::move(other.at(c.side)), by));
      f.rewrite = draft.print();
      out.push_back(std::move(f));
      break;
    }
  }
}

void check_warnings(const Subject& s, std::vector<Found>& out) {
  std::vector<std::string> warnings = s.status.warnings;
  const Rule& rule = s.rule();
  if (s.status.last_evaluation.ns == 0) {  // nothing is known of it yet
    QueryContext context;
    context.cancel = s.evidence.cancel();
    if (auto result = s.engine.instant(*rule.expr, rule.query, s.evidence.now(), context)) {
      for (const Annotation& w : result->warnings) warnings.push_back(w.text);
    }
  }
  std::set<std::string> told;
  for (const std::string& warning : warnings) {
    if (told.size() == kWarningsMax) break;
    if (!told.insert(warning).second) continue;
    Found f;
    f.class_name = kDiscardedWarning;
    f.subject = warning;
    f.message = "evaluating the rule warns, which Prometheus discards: " + warning;
    out.push_back(std::move(f));
  }
}

}  // namespace sonde::rules::findings
