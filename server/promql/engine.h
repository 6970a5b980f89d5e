// Evaluates PromQL over a Querier, as Prometheus 3.14 does.
//
// Columns, not steps: each selector is read once for the whole range of a query, each series decoded into one
// array, and windows move over it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/cancellation.h"
#include "base/clock.h"
#include "base/error.h"
#include "promql/parser.h"
#include "promql/value.h"
#include "storage/querier.h"

namespace sonde::promql {

struct EngineOptions {
  Duration lookback = Duration::minutes(5);
  uint64_t max_samples = 50'000'000;              // held in memory by one query
  Duration timeout = Duration::minutes(2);        // 0: none
  Duration subquery_step = Duration::minutes(1);  // of [5m:]
  bool delayed_name_removal = false;              // promql-delayed-name-removal
  bool use_start_timestamps = false;              // use-start-timestamps
  ParserOptions parser;
};

// Of one query.
struct QueryContext {
  storage::Scope scope;
  Cancellation cancel;
  std::optional<Duration> lookback;  // instead of the engine's
};

// Threads: any; queries do not share state. The querier and the clock outlive the engine.
//
// Errors: kInvalid for text that does not parse and parameters out of range (HTTP 400); kTimeout, kCancelled;
// all others mean that the evaluation failed (HTTP 422): kConflict for the query's own fault (duplicate
// series, …), kLimit for max_samples, kUnsupported for what is not built, and whatever the store says.
class Engine {
 public:
  Engine(const storage::Querier& querier, const Clock& clock, EngineOptions options = {});

  Result<QueryResult> instant(std::string_view query, Timestamp t, const QueryContext& context) const;
  // Steps at start, start+step, … ≤ end; at most 11,000 points are the API's rule, not ours.
  Result<QueryResult> range(std::string_view query, Timestamp start, Timestamp end, Duration step,
                            const QueryContext& context) const;

  // For trees that were parsed before (rules). `query` is the text that positions refer to.
  Result<QueryResult> instant(const Expr& expr, std::string_view query, Timestamp t,
                              const QueryContext& context) const;
  Result<QueryResult> range(const Expr& expr, std::string_view query, Timestamp start, Timestamp end,
                            Duration step, const QueryContext& context) const;

  const EngineOptions& options() const { return options_; }

 private:
  QueryContext bounded(const QueryContext& context) const;

  const storage::Querier& querier_;
  const Clock& clock_;
  EngineOptions options_;
};

}  // namespace sonde::promql
