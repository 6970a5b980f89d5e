// One rule at one point in time: from the query's result to samples and alerts. No I/O but the query.
//
// Semantics: Prometheus 3.14, rules/alerting.go and rules/recording.go.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "model/alert.h"
#include "promql/engine.h"
#include "rules/rule.h"

namespace sonde::rules {

struct EvaluationContext {
  const promql::Engine& engine;
  LabelSet external_labels;
  std::string external_url;
  Cancellation cancel;
};

struct RuleSample {
  LabelSet labels;
  double value = 0;
  promql::HistogramPtr histogram;  // instead of `value` when set
};

struct RuleOutput {
  std::vector<RuleSample> samples;
  std::vector<std::string> warnings;  // of the query; Prometheus discards them
};

// kConflict when two results end up with the same labels, kLimit when there are more than `limit` (0: none).
Result<RuleOutput> evaluate_recording(const Rule& rule, Timestamp t, Duration query_offset, uint64_t limit,
                                      const EvaluationContext& context);

// The alerts of one rule, by their labels. Threads: one at a time.
class AlertingState {
 public:
  using Alerts = std::unordered_map<LabelSet, Alert, LabelSetHash>;

  // Evaluates; samples are ALERTS and ALERTS_FOR_STATE. `changes` gets what changed state. On failure nothing
  // changes, except that reaching the limit drops all alerts.
  Result<RuleOutput> evaluate(const Rule& rule, const std::string& group, Timestamp t, Duration query_offset,
                              uint64_t limit, const EvaluationContext& context,
                              std::vector<AlertTransition>& changes);

  // Takes over what was remembered when the process stopped at `saved_at`. Waiting (`for`) does not count the
  // time in between. Restored alerts that the query does not yet confirm are kept until `grace_end`: the data
  // may still be on its way.
  void restore(std::vector<Alert> alerts, Timestamp saved_at, Timestamp now, Timestamp grace_end);

  // Alerts to send at `t`: firing ones not sent for `resend_delay`, and resolved ones not yet told. Marks
  // them as sent.
  std::vector<Alert> to_send(Timestamp t, Duration resend_delay, Duration interval,
                             const std::string& generator_url);

  const Alerts& alerts() const { return alerts_; }

 private:
  Alerts alerts_;
  std::unordered_map<LabelSet, Timestamp, LabelSetHash> last_sent_;
  Timestamp grace_end_;
};

// The link to the expression in the UI.
std::string expression_url(const std::string& external_url, const std::string& query);

}  // namespace sonde::rules
