// Quantiles of histograms: over everything since the process started, and beyond the buckets.
#include <fmt/format.h>

#include <algorithm>

#include "promql/functions/function.h"
#include "rules/findings/checks.h"

namespace sonde::rules::findings {

using namespace promql;

namespace {

// What may stand between a quantile and its selector so that rates can be put in.
bool understood(const Expr& e) {
  if (e.kind == ExprKind::kParen) return true;
  if (const auto* a = as<AggregateExpr>(e)) return a->op == AggregateOp::kSum || a->op == AggregateOp::kAvg;
  const auto* c = as<Call>(e);
  return c && c->args.size() == 1 &&
         (std::string_view(c->function->name) == "rate" || std::string_view(c->function->name) == "increase");
}

bool is_rated(const Site& site) {
  return site.matrix || std::any_of(site.ancestors.begin(), site.ancestors.end(),
                                    [](const Expr* e) { return e->kind == ExprKind::kSubquery; });
}

// The highest value that a quantile over this selector can have; nullopt: not known, or without limit.
std::optional<double> highest_quantile(const Subject& s, const VectorSelector& selector) {
  if (selector.name.ends_with("_bucket")) return s.evidence.top_le(selector.matchers);
  auto kinds = s.evidence.kinds(selector.matchers);
  if (!kinds || !kinds->native || kinds->exponential || kinds->floats) return std::nullopt;
  return kinds->top_bound;
}

}  // namespace

std::string rated_quantile(const Subject& s, const Site& site, const std::string& metric, bool classic) {
  if (!site.quantile) return "";
  size_t first = *site.quantile + 1;
  for (size_t i = first; i < site.ancestors.size(); i++) {
    if (!understood(*site.ancestors[i])) return "";
  }
  Draft draft(s.rule().query, s.parser());
  VectorSelector& selector = draft.selector_at(site.path);
  rename(selector, metric);
  Matchers matchers = selector.matchers;
  if (!site.matrix) {
    Duration range = rate_range(s, selector);
    ExprPtr& slot = draft.at(site.path);
    slot = rate_of(std::move(slot), range);
  }
  bool summed = false;
  for (size_t i = first; i < site.ancestors.size(); i++) {
    if (site.ancestors[i]->kind != ExprKind::kAggregate) continue;
    summed = true;
    Path path(site.path.begin(), site.path.begin() + static_cast<std::ptrdiff_t>(i));
    auto& aggregate = static_cast<AggregateExpr&>(*draft.at(path));
    bool listed =
        std::find(aggregate.grouping.begin(), aggregate.grouping.end(), "le") != aggregate.grouping.end();
    if (!classic || listed != aggregate.without) continue;
    if (aggregate.without) {
      std::erase(aggregate.grouping, "le");
    } else {
      aggregate.grouping.insert(aggregate.grouping.begin(), "le");
    }
  }
  if (!summed) {
    std::vector<std::string> by = s.evidence.grouping(matchers);
    if (by.empty() && s.evidence.exists(matchers) != true) by = s.evidence.grouping(renamed({}, metric));
    if (classic) by.insert(by.begin(), "le");
    Path path(site.path.begin(), site.path.begin() + static_cast<std::ptrdiff_t>(first));
    ExprPtr& slot = draft.at(path);
    slot = sum_by(std::move(slot), by);
  }
  return draft.print();
}

void check_unrated_quantiles(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out) {
  for (const Site& site : sites) {
    const std::string& name = site.selector->name;
    if (!site.quantile || name.empty() || is_rated(site)) continue;
    // Recorded series are rates already, or not ours to judge.
    if (s.recorded.contains(name) || name.find(':') != std::string::npos) continue;
    bool classic = name.ends_with("_bucket");
    std::string family = classic ? name.substr(0, name.size() - std::string_view("_bucket").size()) : name;
    if (s.evidence.type_of(family) == MetricType::kGaugeHistogram) continue;
    if (classic) {
      if (s.evidence.exists(site.selector->matchers) != true) continue;
    } else {
      auto kinds = s.evidence.kinds(site.selector->matchers);
      if (!kinds || !kinds->native || kinds->gauge) continue;
    }
    Found f;
    f.class_name = kUnratedHistogramQuantile;
    f.subject = selector_to_string(*site.selector);
    f.message = fmt::format(
        "{} counts since the process started, so this is the quantile of all observations ever, not of the "
        "latest: slow to rise, slower to fall, and it jumps at a restart; take rate() first",
        f.subject);
    f.rewrite = rated_quantile(s, site, name, classic);
    out.push_back(std::move(f));
  }
}

void check_thresholds(const Subject& s, const Expr& root, const std::string& query, std::vector<Found>& out) {
  std::vector<Site> sites = sites_of(root);
  for (const Comparison& c : comparisons_of(root)) {
    const auto* quantile = as<Call>(c.vector);
    if (!quantile || std::string_view(quantile->function->name) != "histogram_quantile") continue;
    const auto* q = as<NumberLiteral>(unwrap(*quantile->args[0]));
    if (!q || !(q->value >= 0 && q->value <= 1)) continue;
    std::optional<double> top;
    bool known = true;
    std::string subject;
    for (const Site& site : sites) {
      if (site.path.size() <= c.side.size() || !std::equal(c.side.begin(), c.side.end(), site.path.begin()))
        continue;
      std::optional<double> highest = highest_quantile(s, *site.selector);
      known = known && highest;
      if (highest && (!top || *highest > *top)) top = highest;
      subject += (subject.empty() ? "" : ", ") + selector_to_string(*site.selector);
    }
    if (!known || !top) continue;
    bool beyond = c.op == BinaryOp::kGreater                                    ? *top <= c.threshold
                  : c.op == BinaryOp::kGreaterEqual || c.op == BinaryOp::kEqual ? *top < c.threshold
                                                                                : false;
    if (!beyond) continue;
    Found f;
    f.class_name = kThresholdAboveTopBound;
    // Beside `or` the rule may yet fire, and `bool` yields 0, which fires always.
    f.severity = c.guarded || c.expr->return_bool ? Severity::kWarning : Severity::kError;
    f.subject = subject;
    f.message = fmt::format(
        "the quantile can never exceed {}, the highest finite bucket bound of {}, and thus is never {} {}; "
        "add "
        "buckets above {}, or ask for the bound itself",
        format_value(*top), subject, promql::to_string(c.op), format_value(c.threshold),
        format_value(c.threshold));
    Draft draft(query, s.parser());
    auto& comparison = static_cast<BinaryExpr&>(*draft.at(c.path));
    comparison.op = c.number.back() == 1 ? BinaryOp::kGreaterEqual : BinaryOp::kLessEqual;
    auto number = std::make_unique<NumberLiteral>();
    number->value = *top;
    draft.at(c.number) = std::move(number);
    f.rewrite = draft.print();
    out.push_back(std::move(f));
  }
}

}  // namespace sonde::rules::findings
