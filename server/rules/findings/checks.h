// The classes of findings, one function each, over the tree of one rule and what the store knows.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "promql/engine.h"
#include "rules/findings.h"
#include "rules/findings/evidence.h"
#include "rules/findings/rewriting.h"

namespace sonde::rules::findings {

struct Found {
  std::string class_name;
  Severity severity = Severity::kWarning;
  std::string message;
  std::string rewrite;
  std::string subject;  // what it is about; the same as long as the finding is
};

// A selector and what stands around it.
struct Site {
  const promql::VectorSelector* selector = nullptr;
  const promql::MatrixSelector* matrix = nullptr;  // null: without a range
  Path path;                                       // of the matrix selector, else of the vector selector
  std::vector<const promql::Expr*> ancestors;      // of what `path` leads to, outermost first
  const promql::Call* function = nullptr;          // that takes the range directly
  std::optional<size_t> quantile;                  // index in ancestors of the nearest histogram_quantile
  // Nothing there is what the author expects: under absent(), beside `or`, right of `unless`.
  bool guarded = false;
};
// Whether the node at `path` is so placed.
bool is_guarded(const std::vector<const promql::Expr*>& ancestors, const Path& path);
std::vector<Site> sites_of(const promql::Expr& root);

// A comparison of a vector with a number, turned so that the vector is on the left.
struct Comparison {
  const promql::BinaryExpr* expr = nullptr;
  promql::BinaryOp op = promql::BinaryOp::kGreater;
  double threshold = 0;
  Path path;    // of the comparison
  Path side;    // of the vector in it, inside its parentheses
  Path number;  // of the number
  const promql::Expr* vector = nullptr;
  bool top_level = false;  // nothing but parentheses and set operators around it
  bool guarded = false;    // as Site::guarded
};
std::vector<Comparison> comparisons_of(const promql::Expr& root);

struct Subject {
  const RuleStatus& status;
  const promql::Engine& engine;
  const Evidence& evidence;
  const std::set<std::string>& recorded;  // by any rule
  const FindingsOptions& options;

  const Rule& rule() const { return status.rule; }
  const promql::ParserOptions& parser() const { return engine.options().parser; }
};

// The distance of samples: from the data, else by configuration.
std::optional<Duration> scrape_interval(const Subject& s, const promql::VectorSelector& selector);
// A range for rates: max(5m, 4 scrape intervals).
Duration rate_range(const Subject& s, const promql::VectorSelector& selector);
std::string print(Duration d);

void check_missing_series(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out);
void check_label_values(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out);
void check_ranges(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out);

void check_unrated_quantiles(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out);
void check_thresholds(const Subject& s, const promql::Expr& root, const std::string& query,
                      std::vector<Found>& out);
// A quantile's expression around `site` with rates, sums and the given metric name; empty when what stands
// between is not understood.
std::string rated_quantile(const Subject& s, const Site& site, const std::string& metric, bool classic);

void check_hold(const Subject& s, std::vector<Found>& out);
void check_ratios(const Subject& s, const std::vector<Site>& sites, std::vector<Found>& out);
void check_absolute_rates(const Subject& s, std::vector<Found>& out);
void check_warnings(const Subject& s, std::vector<Found>& out);

// All of them. The expression must be there.
std::vector<Found> check_rule(const Subject& s);

}  // namespace sonde::rules::findings
