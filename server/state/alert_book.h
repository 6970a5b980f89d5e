// What the rules must remember over a restart: the state of every alert, and the history of its changes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/alert.h"
#include "state/database.h"

namespace sonde::state {

// Threads: any. The database must outlive it.
class AlertBook {
 public:
  explicit AlertBook(Database& db) : db_(db) {}

  // Replaces the remembered alerts of the rule, and appends what changed to the history, in one transaction.
  // `rule_key` identifies the rule over restarts: file, group, name and expression.
  Result<> save(std::string_view rule_key, const std::vector<Alert>& alerts,
                const std::vector<AlertTransition>& changes, Timestamp now);

  struct Remembered {
    std::vector<Alert> alerts;
    Timestamp saved_at;  // 0 when nothing is remembered
  };
  Result<Remembered> load(std::string_view rule_key) const;
  // Forgets rules that were not saved since `before`.
  Result<> forget_unsaved_since(Timestamp before);

  // Newest first, within [from, to].
  Result<std::vector<AlertTransition>> history(Timestamp from, Timestamp to, size_t limit) const;
  Result<> drop_history_before(Timestamp t);

 private:
  Database& db_;
};

}  // namespace sonde::state
