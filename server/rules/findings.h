// What is wrong with rules that parse: those that can never fire, or silently say something else than meant,
// each with the expression that works where there is one.
//
// Findings never change what a rule does: it is evaluated exactly as Prometheus would.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "promql/engine.h"
#include "rules/manager.h"
#include "storage/querier.h"

namespace sonde::rules {

enum class Severity : uint8_t {
  kError,    // with the data there is, the rule can never fire or record
  kWarning,  // it may, but says something else than its text suggests, or less
};
const char* to_string(Severity severity);  // "error", "warning"

inline constexpr const char* kNoSeriesButBucket = "no-series-but-bucket";
inline constexpr const char* kUnratedHistogramQuantile = "unrated-histogram-quantile";
inline constexpr const char* kThresholdAboveTopBound = "threshold-above-top-bound";
inline constexpr const char* kLabelValueNeverSeen = "label-value-never-seen";
inline constexpr const char* kRangeShorterThanTwoScrapes = "range-shorter-than-two-scrapes";
inline constexpr const char* kForOutlastsRange = "for-outlasts-range";
inline constexpr const char* kUnaggregatedRatio = "unaggregated-ratio";
inline constexpr const char* kDiscardedWarning = "discarded-warning";

struct Finding {
  std::string class_name;  // one of the above
  Severity severity = Severity::kWarning;
  std::string message;
  std::string expr;     // of the rule, as written
  std::string rewrite;  // instead of `expr`; empty: there is none. Parses.
  std::string group;
  std::string rule;
  std::string file;
  int line = 0;
  Timestamp since;  // when the analyst first saw it
};

struct FindingsOptions {
  // How often a metric of a job is scraped, by configuration; asked only where the data does not tell.
  std::function<std::optional<Duration>(std::string_view metric, std::string_view job)> scrape_interval_of;
  Duration history = Duration::hours(7 * 24);     // what is older was "never" seen
  Duration budget = Duration::milliseconds(500);  // of one call; rules beyond it keep what was last found
  size_t series_max = 500;                        // looked at per selector
  size_t values_max = 10'000;  // of one label; where there are more, nothing is said about them
};

// Threads: any; calls wait for each other. All references outlive it.
class FindingsAnalyst {
 public:
  using Options = FindingsOptions;
  FindingsAnalyst(const storage::MetricStore& store, const promql::Engine& engine, const Clock& clock,
                  Options options = {});

  // In order of groups and rules. What the store fails to answer in time is not reported.
  std::vector<Finding> analyse(const std::vector<GroupStatus>& groups) const;
  // What the last call answered; no reads. For pages that are asked for often.
  std::vector<Finding> latest() const;
  std::vector<Finding> latest_of(const std::string& group, const Rule& rule) const;

 private:
  struct Known {
    std::vector<Finding> findings;
    std::map<std::string, Timestamp> since;  // by class and message's subject
  };

  const storage::MetricStore& store_;
  const promql::Engine& engine_;
  const Clock& clock_;
  const Options options_;
  mutable Mutex mu_;
  mutable std::map<std::string, Known> known_ SONDE_GUARDED_BY(mu_);  // by the rule's key and position
  mutable size_t cursor_ SONDE_GUARDED_BY(mu_) = 0;                   // the rule to begin with
  mutable std::vector<Finding> latest_ SONDE_GUARDED_BY(mu_);
};

}  // namespace sonde::rules
