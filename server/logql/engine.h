// Evaluates LogQL over a LogReader: log queries, and counts and rates of lines with aggregations over them.
//
// Semantics: grafana/loki, pkg/logql. A record's labels are those of its stream, its attributes and ids
// (Loki's structured metadata), and what the stages json and logfmt add.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cancellation.h"
#include "base/clock.h"
#include "base/error.h"
#include "logql/field_parsers.h"
#include "logql/parser.h"
#include "storage/events.h"

namespace sonde::logql {

struct EngineOptions {
  size_t entries_max = 5'000;  // of a log query
  size_t series_max = 500;     // of a metric query's answer
  size_t points_max = 11'000;  // steps of a range query
  // Per query, over all of its selectors:
  size_t groups_max = 20'000;                // series before aggregation
  uint64_t cells_max = 10'000'000;           // series × steps before aggregation
  uint64_t lines_scanned_max = 50'000'000;   // that the store handed out
  uint64_t bytes_scanned_max = 20ull << 30;  // of those lines
  uint64_t answer_bytes_max = 64ull << 20;   // of lines and labels in a log query's answer
  Duration timeout = Duration::minutes(2);   // 0: none
};

struct QueryContext {
  storage::Scope scope;
  Cancellation cancel;
};

// One line with its labels in three parts, none of which repeats a name of another.
struct LogEntry {
  EventTime time;
  std::string line;
  LabelSet stream;
  Fields metadata;
  Fields parsed;
};

struct LogSeries {
  LabelSet labels;
  std::vector<std::pair<Timestamp, double>> points;  // in order of time
};

struct LogQueryStats {
  uint64_t lines_scanned = 0;
  uint64_t bytes_scanned = 0;
  double seconds = 0;
};

struct LogQueryResult {
  enum class Type : uint8_t { kStreams, kMatrix, kVector, kScalar } type = Type::kStreams;
  std::vector<LogEntry> entries;  // kStreams, in the direction asked for
  std::vector<LogSeries> series;  // kMatrix; kVector: one point each; sorted by labels, topk's by value
  Timestamp time;                 // kScalar
  double scalar = 0;
  LogQueryStats stats;
};

// Threads: any; queries share nothing. The reader and the clock outlive the engine.
//
// Errors: kInvalid, kUnsupported and kLimit are about the query (HTTP 400) and say what to do; kTimeout,
// kCancelled; and whatever the store says.
class Engine {
 public:
  Engine(const storage::LogReader& reader, const Clock& clock, EngineOptions options = {});

  // Log queries: at most `limit` lines of [from, to), the first in `direction`. Metric queries: at from,
  // from+step, … ≤ to; limit and direction mean nothing.
  Result<LogQueryResult> range(std::string_view query, EventTime from, EventTime to, Duration step,
                               size_t limit, storage::Direction direction, const QueryContext& context) const;
  // Metric queries only.
  Result<LogQueryResult> instant(std::string_view query, EventTime t, const QueryContext& context) const;

  const EngineOptions& options() const { return options_; }

 private:
  const storage::LogReader& reader_;
  const Clock& clock_;
  EngineOptions options_;
};

}  // namespace sonde::logql
