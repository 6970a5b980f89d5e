#include "query/statement_table.h"

#include <pthread.h>

#include <algorithm>
#include <cstdio>

namespace sonde::inline v1::db::detail {
namespace {

// The child of a fork starts with an empty table: other threads may have held locks of the old one.
std::atomic<StatementTable*> g_table{nullptr};
std::atomic<uint32_t> g_epoch{0};

uint64_t key_of(uint64_t fingerprint, std::string_view system) {
  return fingerprint ^ (fingerprint_of(system) * 0x9e3779b97f4a7c15ull);
}

std::string hex(uint64_t v) {
  char buf[17];
  std::snprintf(buf, sizeof buf, "%016llx", static_cast<unsigned long long>(v));
  return std::string(buf, 16);
}

// At a character boundary.
void shorten(std::string& s, size_t max) {
  if (s.size() <= max) return;
  size_t n = max - 3;
  while (n > 0 && (static_cast<uint8_t>(s[n]) & 0xc0) == 0x80) n--;
  s.resize(n);
  s += "\xe2\x80\xa6";  // …
}

void clear(Entry& e) {
  e.calls = e.errors = e.rows = 0;
  e.total_ns = e.max_ns = 0;
  e.max_trace_high = e.max_trace_low = 0;
  e.last_slow_line_ns = e.last_error_line_ns = 0;
  e.lines_held_back = 0;
  e.buckets = {};
  e.error_codes.clear();
}

// The value below which the share `q` of the calls lies, linear within its bucket.
double quantile(const Entry& e, double q) {
  if (e.calls == 0) return 0;
  double rank = q * static_cast<double>(e.calls);
  double below = 0;
  for (size_t i = 0; i < e.buckets.size(); i++) {
    double here = static_cast<double>(e.buckets[i]);
    if (here > 0 && below + here >= rank) {
      double low = i == 0 ? 0 : kStatementBuckets[i - 1];
      double max = static_cast<double>(e.max_ns) * 1e-9;
      double high = i < kStatementBuckets.size() ? std::min(kStatementBuckets[i], std::max(max, low)) : max;
      return low + (high - low) * (rank - below) / here;
    }
    below += here;
  }
  return static_cast<double>(e.max_ns) * 1e-9;
}

StatementStats stats_of(const Entry& e) {
  StatementStats s;
  s.fingerprint = e.statement->fingerprint_hex;
  s.system = e.statement->system;
  s.summary = e.statement->summary;
  s.statement = e.statement->text;
  s.calls = e.calls;
  s.errors = e.errors;
  s.rows = e.rows;
  s.total_ns = e.total_ns;
  s.max_ns = e.max_ns;
  if ((e.max_trace_high | e.max_trace_low) != 0)
    s.max_trace_id = hex(e.max_trace_high) + hex(e.max_trace_low);
  s.p50_seconds = quantile(e, 0.5);
  s.p95_seconds = quantile(e, 0.95);
  s.p99_seconds = quantile(e, 0.99);
  s.error_codes = e.error_codes;
  return s;
}

}  // namespace

StatementTable::StatementTable() : epoch_(g_epoch.fetch_add(1) + 1) {
  by_fingerprint_.reserve(kStatementsMax);
}

StatementTable& StatementTable::get() {
  StatementTable* table = g_table.load(std::memory_order_acquire);  // pairs with the release below
  if (table != nullptr) return *table;
  static std::once_flag once;
  std::call_once(once, [] {
    g_table.store(new StatementTable, std::memory_order_release);
    pthread_atfork(nullptr, nullptr, [] { g_table.store(new StatementTable, std::memory_order_release); });
  });
  return *g_table.load(std::memory_order_acquire);
}

Found StatementTable::find(std::string_view system, std::string_view sql, int64_t now_ns) {
  if (sql.size() > kMemoTextBytesMax) return intern(system, sql, now_ns);
  uint64_t hash = fingerprint_of(sql) ^ system.size();
  Slot& slot = memo_[hash % kMemoSlots];
  {
    std::lock_guard lock(slot.mu);
    if (slot.hash == hash && slot.found.entry != nullptr && slot.text == sql && slot.system == system) {
      return slot.found;
    }
  }
  Found found = intern(system, sql, now_ns);
  std::lock_guard lock(slot.mu);
  slot.hash = hash;
  slot.system = system;
  slot.text.assign(sql);
  slot.found = found;
  return found;
}

Found StatementTable::intern(std::string_view system, std::string_view sql, int64_t now_ns) {
  Normalised n;
  normalise(sql, dialect_of(system), n);
  auto statement = std::make_shared<Statement>();
  statement->fingerprint = n.fingerprint;
  statement->fingerprint_hex = hex(n.fingerprint);
  statement->system = system;
  statement->summary = summary_of(n.text, statement->operation);
  statement->text = std::move(n.text);
  shorten(statement->text, kStatementTextBytesMax);
  statement->text.shrink_to_fit();
  Found found;
  found.epoch = epoch_;
  found.statement = statement;
  found.entry = entry_for(statement, now_ns, found.generation, found.statement);
  return found;
}

Entry* StatementTable::entry_for(const std::shared_ptr<const Statement>& statement, int64_t now_ns,
                                 uint32_t& generation, std::shared_ptr<const Statement>& shared) {
  uint64_t key = key_of(statement->fingerprint, statement->system);
  std::lock_guard lock(mu_);
  auto known = by_fingerprint_.find(key);
  if (known != by_fingerprint_.end()) {
    Entry& e = entries_[known->second];
    std::lock_guard entry_lock(e.mu);
    generation = e.generation;
    shared = e.statement;
    return &e;
  }
  size_t index = used_;
  if (used_ == entries_.size()) {
    int64_t oldest = now_ns - kIdleBeforeReplaceNs;
    for (size_t i = 0; i < entries_.size(); i++) {
      std::lock_guard entry_lock(entries_[i].mu);
      if (entries_[i].last_used_ns < oldest) {
        oldest = entries_[i].last_used_ns;
        index = i;
      }
    }
    if (index == entries_.size()) return other_for(statement->system, generation);
    replaced_++;
  } else {
    used_++;
  }
  Entry& e = entries_[index];
  std::lock_guard entry_lock(e.mu);
  if (e.statement != nullptr) by_fingerprint_.erase(key_of(e.statement->fingerprint, e.statement->system));
  clear(e);
  e.statement = statement;
  e.last_used_ns = now_ns;
  generation = ++e.generation;
  by_fingerprint_.emplace(key, static_cast<uint32_t>(index));
  return &e;
}

Entry* StatementTable::other_for(std::string_view system, uint32_t& generation) {
  Entry* last = nullptr;
  for (Entry& e : others_) {
    std::lock_guard lock(e.mu);
    last = &e;
    generation = e.generation;
    if (e.statement == nullptr) {
      auto other = std::make_shared<Statement>();
      other->fingerprint = 0;
      other->fingerprint_hex = "_other";
      other->system = system;
      e.statement = other;
    }
    if (e.statement->system == system) break;
  }
  return last;  // the ninth system counts with the eighth
}

LinePermit StatementTable::record(Found& found, const Measured& m, bool slow, int64_t now_ns) {
  constexpr int64_t kLineEveryNs = 1'000'000'000;
  for (int attempt = 0; attempt < 3; attempt++) {
    // A call that was open across a fork, or whose statement has been replaced meanwhile, looks it up anew.
    if (found.epoch != epoch_ || attempt > 0) {
      found.entry = entry_for(found.statement, now_ns, found.generation, found.statement);
      found.epoch = epoch_;
    }
    Entry& e = *found.entry;
    std::lock_guard lock(e.mu);
    if (e.generation != found.generation) continue;
    e.calls++;
    e.rows += m.rows;
    e.total_ns += m.elapsed_ns;
    e.last_used_ns = now_ns;
    double seconds = static_cast<double>(m.elapsed_ns) * 1e-9;
    size_t bucket = 0;
    while (bucket < kStatementBuckets.size() && seconds > kStatementBuckets[bucket]) bucket++;
    e.buckets[bucket]++;
    if (m.elapsed_ns >= e.max_ns) {
      e.max_ns = m.elapsed_ns;
      e.max_trace_high = m.trace_high;
      e.max_trace_low = m.trace_low;
    }
    if (m.failed) {
      e.errors++;
      auto it = std::find_if(e.error_codes.begin(), e.error_codes.end(),
                             [&](const ErrorCount& c) { return c.code == m.code; });
      if (it == e.error_codes.end() && e.error_codes.size() < kErrorCodesMax) {
        it = e.error_codes.insert(it, {std::string(m.code), 0});
      } else if (it == e.error_codes.end()) {
        if (e.error_codes.size() == kErrorCodesMax) e.error_codes.push_back({"_other", 0});
        it = e.error_codes.end() - 1;
      }
      it->count++;
    }
    LinePermit permit;
    if (slow) {
      permit.slow = e.last_slow_line_ns == 0 || now_ns - e.last_slow_line_ns >= kLineEveryNs;
      if (permit.slow) e.last_slow_line_ns = now_ns;
    }
    if (m.failed) {
      permit.error = e.last_error_line_ns == 0 || now_ns - e.last_error_line_ns >= kLineEveryNs;
      if (permit.error) e.last_error_line_ns = now_ns;
    }
    if (permit.slow || permit.error) {
      permit.held_back = std::exchange(e.lines_held_back, 0);
    } else if (slow || m.failed) {
      e.lines_held_back++;
    }
    return permit;
  }
  return {};
}

std::vector<StatementStats> StatementTable::snapshot(size_t max) {
  std::vector<StatementStats> out;
  auto take = [&out](Entry& e) {
    std::lock_guard lock(e.mu);
    if (e.statement != nullptr && e.calls > 0) out.push_back(stats_of(e));
  };
  for (Entry& e : entries_) take(e);
  for (Entry& e : others_) take(e);
  std::sort(out.begin(), out.end(), [](const StatementStats& a, const StatementStats& b) {
    return a.total_ns != b.total_ns ? a.total_ns > b.total_ns : a.fingerprint < b.fingerprint;
  });
  if (out.size() > max) out.resize(max);
  return out;
}

std::vector<StatementTable::Exposed> StatementTable::exposed() {
  std::vector<Exposed> out;
  auto take = [&out](Entry& e) {
    std::lock_guard lock(e.mu);
    if (e.statement == nullptr) return;
    out.push_back({e.statement, e.calls, e.errors, e.rows, e.total_ns, e.buckets});
  };
  for (Entry& e : entries_) take(e);
  for (Entry& e : others_) take(e);
  return out;
}

void StatementTable::reset() {
  std::lock_guard lock(mu_);
  for (auto* group : {&entries_[0], &others_[0]}) {
    size_t n = group == &entries_[0] ? entries_.size() : others_.size();
    for (size_t i = 0; i < n; i++) {
      std::lock_guard entry_lock(group[i].mu);
      clear(group[i]);
      group[i].statement = nullptr;
      group[i].generation++;
      group[i].last_used_ns = 0;
    }
  }
  by_fingerprint_.clear();
  used_ = 0;
  for (Slot& slot : memo_) {
    std::lock_guard slot_lock(slot.mu);
    slot.found = {};
    slot.text.clear();
    slot.hash = 0;
  }
}

}  // namespace sonde::inline v1::db::detail
