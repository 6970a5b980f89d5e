// The seam of logs in memory, plainly: what tests and the oracle of the real store run on.
#pragma once

#include <memory>
#include <vector>

#include "base/mutex.h"
#include "storage/events.h"

namespace sonde::memstore {

// Every select copies what it matches. Records of the same time keep their order of arrival, reversed when
// read backward. Threads: any.
class MemLogStore final : public storage::LogStore {
 public:
  struct Options {
    Duration retention;  // 0: for ever
  };
  MemLogStore() : MemLogStore(Options{}) {}
  explicit MemLogStore(Options options) : options_(options) {}

  // Calls `on_durable` before it returns.
  void append_logs(std::vector<LogRecord> records, std::string_view source,
                   storage::OnEventsDurable on_durable) override;

  Result<std::unique_ptr<storage::LogCursor>> select_logs(const storage::Scope& scope,
                                                          const storage::LogSelect& select,
                                                          const Cancellation& cancel) const override;
  Result<std::vector<std::string>> log_label_names(const storage::Scope& scope, EventTime from,
                                                   EventTime to) const override;
  Result<std::vector<std::string>> log_label_values(const storage::Scope& scope, std::string_view label,
                                                    const Matchers& stream, EventTime from,
                                                    EventTime to) const override;
  Result<std::vector<storage::LogStream>> log_streams(const storage::Scope& scope,
                                                      const std::vector<Matchers>& selectors, EventTime from,
                                                      EventTime to) const override;

  storage::EventStats event_stats() const override;
  Result<> apply_retention(Timestamp now) override;

 private:
  const Options options_;
  mutable Mutex mu_;
  std::vector<LogRecord> records_ SONDE_GUARDED_BY(mu_);  // in order of time, then of arrival
};

}  // namespace sonde::memstore
