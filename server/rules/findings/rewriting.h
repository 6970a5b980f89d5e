// Trees of PromQL that may be changed: finding places in them, and putting other expressions there.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "promql/ast.h"
#include "promql/parser.h"

namespace sonde::rules::findings {

// From the root to a node: the index of the child at each step, in the order of promql::for_each_child.
// Matrix selectors are leaves.
using Path = std::vector<uint32_t>;

// Parents before children; `ancestors` are outermost first.
using PlaceVisitor = std::function<void(const promql::Expr& e, const Path& path,
                                        const std::vector<const promql::Expr*>& ancestors)>;
void walk_places(const promql::Expr& root, const PlaceVisitor& visit);

// A copy of an expression to be changed.
class Draft {
 public:
  // The text must parse.
  Draft(std::string_view query, const promql::ParserOptions& options);

  promql::ExprPtr& at(const Path& path);
  // The selector at a place that holds one, with or without a range.
  promql::VectorSelector& selector_at(const Path& path);
  // As text; empty when it would not parse.
  std::string print() const;

 private:
  promql::ParserOptions options_;
  promql::ExprPtr root_;
};

void rename(promql::VectorSelector& selector, const std::string& name);
promql::ExprPtr rate_of(promql::ExprPtr instant_selector, Duration range);
promql::ExprPtr sum_by(promql::ExprPtr expr, std::vector<std::string> grouping);
promql::ExprPtr ratio_of(promql::ExprPtr numerator, promql::ExprPtr denominator);

}  // namespace sonde::rules::findings
