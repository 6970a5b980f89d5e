// Logs and spans: sinks that acknowledge after the group commit, and readers.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancellation.h"
#include "base/error.h"
#include "model/event.h"
#include "model/matcher.h"
#include "storage/querier.h"

namespace sonde::storage {

// received = stored + rejected. `error` says why the first one was rejected.
struct EventOutcome {
  uint64_t stored = 0;
  uint64_t rejected = 0;
  std::string error;
};
using OnEventsDurable = std::function<void(Result<EventOutcome>)>;

// Threads: any. `source` ("otlp", "loki", "ship") is for accounting.
class LogSink {
 public:
  virtual ~LogSink() = default;
  // Calls `on_durable` exactly once, perhaps on another thread; success means that the records survive a
  // power cut.
  virtual void append_logs(std::vector<LogRecord> records, std::string_view source,
                           OnEventsDurable on_durable) = 0;
};

class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void append_spans(std::vector<Span> spans, std::string_view source, OnEventsDurable on_durable) = 0;
};

enum class Direction : uint8_t { kForward, kBackward };

struct LogSelect {
  Matchers stream;  // on LogRecord::stream; empty: all streams
  EventTime from;   // inclusive
  EventTime to;     // exclusive
  Direction direction = Direction::kBackward;
  std::optional<TraceId> trace_id;  // only lines of this trace
  std::vector<std::string>
      contains;  // every one is a substring of `line`: a hint that lets a store skip blocks, applied exactly
};

// Records in order of time (see Direction). Threads: one.
class LogCursor {
 public:
  virtual ~LogCursor() = default;
  // False at the end. `record` stays valid until the next call.
  virtual Result<bool> next(const LogRecord*& record) = 0;
};

struct LogStream {
  LabelSet labels;
  uint64_t records = 0;
  uint64_t bytes = 0;  // of lines
};

class LogReader {
 public:
  virtual ~LogReader() = default;
  virtual Result<std::unique_ptr<LogCursor>> select_logs(const Scope& scope, const LogSelect& select,
                                                         const Cancellation& cancel) const = 0;
  virtual Result<std::vector<std::string>> log_label_names(const Scope& scope, EventTime from,
                                                           EventTime to) const = 0;
  virtual Result<std::vector<std::string>> log_label_values(const Scope& scope, std::string_view label,
                                                            const Matchers& stream, EventTime from,
                                                            EventTime to) const = 0;
  virtual Result<std::vector<LogStream>> log_streams(const Scope& scope,
                                                     const std::vector<Matchers>& selectors, EventTime from,
                                                     EventTime to) const = 0;
};

struct SpanSearch {
  std::string service;                                    // empty: any
  std::string operation;                                  // span name; empty: any
  std::vector<std::pair<std::string, std::string>> tags;  // attribute = text, all must hold on one span
  Duration min_duration;
  Duration max_duration;  // 0: no bound
  bool errors_only = false;
  EventTime from;  // of the span's start, inclusive
  EventTime to;    // exclusive
  size_t limit = 20;
};

// One trace of a search list, without its spans.
struct TraceSummary {
  TraceId trace_id;
  std::string root_service;
  std::string root_name;
  EventTime start;
  Duration duration;
  size_t span_count = 0;
  size_t error_count = 0;
  std::vector<std::pair<std::string, size_t>> services;  // spans by service
};

struct SpanSelect {
  std::string service;        // empty: any
  std::string attribute_key;  // only spans that have it; empty: all
  EventTime from;
  EventTime to;
};

class SpanReader {
 public:
  virtual ~SpanReader() = default;
  virtual Result<std::vector<std::string>> services(const Scope& scope) const = 0;
  // Span names of a service with their kinds.
  virtual Result<std::vector<std::pair<std::string, SpanKind>>> operations(
      const Scope& scope, std::string_view service) const = 0;
  // All spans of a trace in order of start; empty when unknown.
  virtual Result<std::vector<Span>> trace(const Scope& scope, const TraceId& id,
                                          const Cancellation& cancel) const = 0;
  // Newest first.
  virtual Result<std::vector<TraceSummary>> search(const Scope& scope, const SpanSearch& search,
                                                   const Cancellation& cancel) const = 0;
  // Calls `visit` for each matching span, in no promised order; stops when it returns false.
  virtual Result<> scan(const Scope& scope, const SpanSelect& select, const Cancellation& cancel,
                        const std::function<bool(const Span&)>& visit) const = 0;
};

struct EventStats {
  uint64_t records = 0;
  uint64_t bytes = 0;  // on disk
  uint64_t segments = 0;
  uint64_t damaged = 0;  // parts set aside
  EventTime min_time;
  EventTime max_time;
};

class EventAdmin {
 public:
  virtual ~EventAdmin() = default;
  virtual EventStats event_stats() const = 0;
  virtual Result<> apply_retention(Timestamp now) = 0;
};

class LogStore : public LogSink, public LogReader, public EventAdmin {};
class SpanStore : public SpanSink, public SpanReader, public EventAdmin {};

}  // namespace sonde::storage
