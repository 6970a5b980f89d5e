// The statements that the process has run: text → statement by a memo of recent texts, and their counts.
//
// Threads: any. A call takes two uncontended locks: one of the memo's slot, one of the statement's entry.
// Memory: kStatementsMax entries and kMemoSlots texts of at most kMemoTextBytesMax.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "query/normalise.h"
#include "sonde/query.h"

namespace sonde::inline v1::db::detail {

// Upper bounds in seconds. Finer at the low end than OpenTelemetry's: an indexed look-up takes microseconds.
inline constexpr std::array<double, 15> kStatementBuckets = {
    0.00001, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10};
inline constexpr size_t kErrorCodesMax = 8;
inline constexpr size_t kMemoSlots = 256;
inline constexpr size_t kMemoTextBytesMax = 2048;
inline constexpr int64_t kIdleBeforeReplaceNs = 600'000'000'000;

struct Statement {
  uint64_t fingerprint;
  std::string fingerprint_hex;
  std::string_view system;
  std::string text;  // at most kStatementTextBytesMax
  std::string summary;
  std::string operation;
};

struct Entry {
  std::mutex mu;
  std::shared_ptr<const Statement> statement;  // null: free
  uint32_t generation = 0;                     // counts the statements that have lived here
  uint64_t calls = 0;
  uint64_t errors = 0;
  uint64_t rows = 0;
  int64_t total_ns = 0;
  int64_t max_ns = 0;
  uint64_t max_trace_high = 0;
  uint64_t max_trace_low = 0;
  int64_t last_used_ns = 0;
  int64_t last_slow_line_ns = 0;
  int64_t last_error_line_ns = 0;
  uint64_t lines_held_back = 0;
  std::array<uint64_t, kStatementBuckets.size() + 1> buckets{};
  std::vector<ErrorCount> error_codes;
};

struct Measured {
  int64_t elapsed_ns = 0;
  uint64_t rows = 0;
  bool failed = false;
  std::string_view code;
  uint64_t trace_high = 0;
  uint64_t trace_low = 0;
};

// Whether this call may write a line, and how many lines of the same statement were held back before it.
struct LinePermit {
  bool slow = false;
  bool error = false;
  uint64_t held_back = 0;
};

class StatementTable {
 public:
  static StatementTable& get();

  Found find(std::string_view system, std::string_view sql, int64_t now_ns);
  LinePermit record(Found& found, const Measured& measured, bool slow, int64_t now_ns);
  std::vector<StatementStats> snapshot(size_t max);
  void reset();

  struct Exposed {
    std::shared_ptr<const Statement> statement;
    uint64_t calls, errors, rows;
    int64_t total_ns;
    std::array<uint64_t, kStatementBuckets.size() + 1> buckets;
  };
  std::vector<Exposed> exposed();
  uint64_t replaced() const { return replaced_.load(); }

 private:
  StatementTable();

  struct Slot {
    std::mutex mu;
    uint64_t hash = 0;
    std::string_view system;
    std::string text;
    Found found;
  };
  Found intern(std::string_view system, std::string_view sql, int64_t now_ns);
  Entry* entry_for(const std::shared_ptr<const Statement>& statement, int64_t now_ns, uint32_t& generation,
                   std::shared_ptr<const Statement>& shared);
  Entry* other_for(std::string_view system, uint32_t& generation);

  uint32_t epoch_;
  std::array<Slot, kMemoSlots> memo_;
  std::array<Entry, kStatementsMax> entries_;
  std::array<Entry, 8> others_;  // one per system
  std::mutex mu_;  // guards what follows, and which statement an entry holds (with the entry's own)
  std::unordered_map<uint64_t, uint32_t> by_fingerprint_;
  size_t used_ = 0;
  std::atomic<uint64_t> replaced_{0};
};

}  // namespace sonde::inline v1::db::detail
