#include "memstore/mem_log_store.h"

#include <algorithm>
#include <map>
#include <set>

namespace sonde::memstore {
namespace {

class VectorCursor final : public storage::LogCursor {
 public:
  VectorCursor(std::vector<LogRecord> records, Cancellation cancel)
      : records_(std::move(records)), cancel_(std::move(cancel)) {}
  Result<bool> next(const LogRecord*& record) override {
    SONDE_CHECK(cancel_.check());
    if (at_ == records_.size()) return false;
    record = &records_[at_++];
    return true;
  }

 private:
  const std::vector<LogRecord> records_;
  const Cancellation cancel_;
  size_t at_ = 0;
};

bool earlier(const LogRecord& a, const LogRecord& b) { return a.time < b.time; }

bool within(const LogRecord& r, EventTime from, EventTime to) { return r.time >= from && r.time < to; }

}  // namespace

void MemLogStore::append_logs(std::vector<LogRecord> records, std::string_view,
                              storage::OnEventsDurable on_durable) {
  storage::EventOutcome outcome;
  outcome.stored = records.size();
  {
    MutexLock lock(mu_);
    for (LogRecord& r : records) {
      auto at = std::upper_bound(records_.begin(), records_.end(), r, earlier);
      records_.insert(at, std::move(r));
    }
  }
  on_durable(outcome);
}

Result<std::unique_ptr<storage::LogCursor>> MemLogStore::select_logs(const storage::Scope& scope,
                                                                     const storage::LogSelect& select,
                                                                     const Cancellation& cancel) const {
  SONDE_CHECK(cancel.check());
  std::vector<LogRecord> out;
  MutexLock lock(mu_);
  for (const LogRecord& r : records_) {
    if (!within(r, select.from, select.to) || !all_match(select.stream, r.stream) ||
        !all_match(scope.enforced, r.stream) || (select.trace_id && r.trace_id != *select.trace_id)) {
      continue;
    }
    bool contains =
        std::all_of(select.contains.begin(), select.contains.end(),
                    [&](const std::string& needle) { return r.line.find(needle) != std::string::npos; });
    if (contains) out.push_back(r);
  }
  if (select.direction == storage::Direction::kBackward) std::reverse(out.begin(), out.end());
  return std::make_unique<VectorCursor>(std::move(out), cancel);
}

Result<std::vector<std::string>> MemLogStore::log_label_names(const storage::Scope& scope, EventTime from,
                                                              EventTime to) const {
  std::set<std::string> names;
  MutexLock lock(mu_);
  for (const LogRecord& r : records_) {
    if (!within(r, from, to) || !all_match(scope.enforced, r.stream)) continue;
    for (LabelView l : r.stream) names.emplace(l.name);
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<std::string>> MemLogStore::log_label_values(const storage::Scope& scope,
                                                               std::string_view label, const Matchers& stream,
                                                               EventTime from, EventTime to) const {
  std::set<std::string> values;
  MutexLock lock(mu_);
  for (const LogRecord& r : records_) {
    if (!within(r, from, to) || !all_match(scope.enforced, r.stream) || !all_match(stream, r.stream))
      continue;
    if (r.stream.has(label)) values.emplace(r.stream.get(label));
  }
  return std::vector<std::string>(values.begin(), values.end());
}

Result<std::vector<storage::LogStream>> MemLogStore::log_streams(const storage::Scope& scope,
                                                                 const std::vector<Matchers>& selectors,
                                                                 EventTime from, EventTime to) const {
  std::map<LabelSet, storage::LogStream> streams;
  MutexLock lock(mu_);
  for (const LogRecord& r : records_) {
    bool selected =
        selectors.empty() || std::any_of(selectors.begin(), selectors.end(),
                                         [&](const Matchers& m) { return all_match(m, r.stream); });
    if (!selected || !within(r, from, to) || !all_match(scope.enforced, r.stream)) continue;
    storage::LogStream& s = streams[r.stream];
    s.labels = r.stream;
    s.records++;
    s.bytes += r.line.size();
  }
  std::vector<storage::LogStream> out;
  for (auto& [labels, s] : streams) out.push_back(std::move(s));
  return out;
}

storage::EventStats MemLogStore::event_stats() const {
  MutexLock lock(mu_);
  storage::EventStats stats;
  stats.records = records_.size();
  if (!records_.empty()) {
    stats.min_time = records_.front().time;
    stats.max_time = records_.back().time;
  }
  return stats;
}

Result<> MemLogStore::apply_retention(Timestamp now) {
  if (options_.retention.ns == 0) return {};
  EventTime cutoff = EventTime::from_timestamp(now - options_.retention);
  MutexLock lock(mu_);
  std::erase_if(records_, [&](const LogRecord& r) { return r.time < cutoff; });
  return {};
}

}  // namespace sonde::memstore
