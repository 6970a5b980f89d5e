// What a line of a log says: JSON object, logfmt or plain text → message, level, time, ids and typed fields.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "model/attributes.h"
#include "model/event.h"

namespace sonde::wire {

enum class LineKind : uint8_t { kPlain, kLogfmt, kJson };

struct LogLine {
  LineKind kind = LineKind::kPlain;
  std::string message;     // kPlain: the line itself; else of its message field, empty when there is none
  std::string_view level;  // "trace", "debug", "info", "warn", "error", "critical", "fatal"; empty: not found
  int severity_number = 0;  // OTLP's number for `level`
  std::optional<EventTime> time;
  TraceId trace_id;
  SpanId span_id;
  // Fields other than those above, typed, in order; nesting is kept to a depth of 16 and is JSON text below.
  // At most 256: the rest are only in the line.
  Attributes fields;
};

// Holds buffers that are reused from line to line. Threads: one.
class LogLineParser {
 public:
  LogLineParser();
  ~LogLineParser();
  LogLineParser(const LogLineParser&) = delete;
  LogLineParser& operator=(const LogLineParser&) = delete;

  // Total: what is neither JSON nor logfmt is plain.
  LogLine parse(std::string_view line);
  // The level alone, for a line without other hints; "unknown" when there is none. As Loki's detected_level.
  std::string_view detect_level(std::string_view line);

 private:
  struct Json;
  std::unique_ptr<Json> json_;
};

// The usual spellings of a level, any case ("WARNING", "err", "I", pino's "30"), as LogLine::level; else
// empty.
std::string_view normal_level(std::string_view text);
// OTLP's severity number of a normal level and back; 0 and "" when unknown.
int severity_of_level(std::string_view level);
std::string_view level_of_severity(int severity_number);

// RFC 3339 (also with a space, a comma before the fraction, or without a zone, which means UTC), or seconds,
// milli-, micro- or nanoseconds since the epoch, told apart by their size.
std::optional<EventTime> parse_log_time(std::string_view text);

}  // namespace sonde::wire
