// Evaluates rule groups at their intervals, remembers alerts over restarts, and tells who must know.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "rules/evaluation.h"
#include "state/alert_book.h"
#include "storage/batch.h"

namespace sonde::rules {

enum class RuleHealth : uint8_t { kUnknown, kOk, kError };
const char* to_string(RuleHealth health);  // "unknown", "ok", "err"

struct RuleStatus {
  Rule rule;
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;
  std::vector<std::string> warnings;  // of the last evaluation
  EventTime last_evaluation;          // 0: none yet
  Duration evaluation_time;
  uint64_t last_samples = 0;
  std::vector<Alert> alerts;  // pending and firing ones, by labels
};

struct GroupStatus {
  std::string file;
  std::string name;
  Duration interval;
  uint64_t limit = 0;
  EventTime last_evaluation;
  Duration evaluation_time;
  std::vector<RuleStatus> rules;
};

// Every field only grows.
struct RulesStats {
  std::atomic<uint64_t> evaluations{0};
  std::atomic<uint64_t> failures{0};
  std::atomic<uint64_t> missed{0};  // the evaluation before was still running, or the executor full
  std::atomic<uint64_t> samples_stored{0};
  std::atomic<uint64_t> samples_rejected{0};
  std::atomic<uint64_t> commit_errors{0};
  std::atomic<uint64_t> book_errors{0};
};

// The alerts that one rule evaluation wants told; called on the executor.
using OnAlerts = std::function<void(const std::vector<Alert>&)>;

// Threads: any.
class Manager {
 public:
  struct Options {
    LabelSet external_labels;
    std::string external_url;
    Duration resend_delay = Duration::minutes(1);
    Duration outage_tolerance = Duration::hours(1);  // older remembered alerts are forgotten
    Duration timeout = Duration::minutes(2);         // of one rule's query
  };
  // Everything must outlive the manager and the executor's pending tasks.
  Manager(const promql::Engine& engine, storage::Appender& appender, state::AlertBook& book,
          Scheduler& scheduler, Executor& executor, OnAlerts on_alerts, Options options);
  ~Manager();  // as stop()

  // Unchanged groups go on; in changed ones, rules that are still there keep their alerts. What is gone ends
  // its series, and its firing alerts are told as resolved.
  void apply(std::vector<Group> groups, LabelSet external_labels);
  void stop();
  std::vector<GroupStatus> groups() const;
  const RulesStats& stats() const;

 private:
  struct Runner;
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sonde::rules
