// Log records and spans, as they enter and leave the stores.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/attributes.h"
#include "model/labels.h"

namespace sonde {

struct TraceId {
  std::array<uint8_t, 16> bytes{};
  bool empty() const { return *this == TraceId{}; }
  auto operator<=>(const TraceId&) const = default;
  std::string to_hex() const;  // 32 lower-case digits
  static std::optional<TraceId> from_hex(
      std::string_view);  // 1 to 32 digits, any case, left-padded with zeros
};

struct SpanId {
  std::array<uint8_t, 8> bytes{};
  bool empty() const { return *this == SpanId{}; }
  auto operator<=>(const SpanId&) const = default;
  std::string to_hex() const;                               // 16 lower-case digits
  static std::optional<SpanId> from_hex(std::string_view);  // 1 to 16 digits, any case
};

struct InstrumentationScope {
  std::string name;
  std::string version;
  bool operator==(const InstrumentationScope&) const = default;
};

// One log line. `stream` is its identity for selection (service_name, level, …, as Loki's labels);
// `attributes` are typed fields (Loki's structured metadata); `line` is the text as it came in.
struct LogRecord {
  EventTime time;
  EventTime observed;
  LabelSet stream;
  std::string line;
  int severity_number = 0;  // OTLP: 1 trace, 5 debug, 9 info, 13 warn, 17 error, 21 fatal; 0 unknown
  std::string severity_text;
  Attributes attributes;
  std::shared_ptr<const Attributes> resource;  // shared by the records of one batch; may be null
  InstrumentationScope scope;
  TraceId trace_id;
  SpanId span_id;
  uint32_t flags = 0;
  std::string event_name;
};

enum class SpanKind : uint8_t {
  kUnspecified,
  kInternal,
  kServer,
  kClient,
  kProducer,
  kConsumer
};  // OTLP's numbers
enum class SpanStatus : uint8_t { kUnset, kOk, kError };  // OTLP's numbers
const char* to_string(SpanKind kind);                     // "unspecified", "internal", "server", "client", …

struct SpanEvent {
  EventTime time;
  std::string name;
  Attributes attributes;
};

struct SpanLink {
  TraceId trace_id;
  SpanId span_id;
  Attributes attributes;
};

struct Span {
  TraceId trace_id;
  SpanId span_id;
  SpanId parent_id;  // empty: a root
  std::string trace_state;
  uint32_t flags = 0;
  std::string service;  // resource service.name; "unknown_service" when absent
  std::string name;
  SpanKind kind = SpanKind::kUnspecified;
  EventTime start;
  EventTime end;
  SpanStatus status = SpanStatus::kUnset;
  std::string status_message;
  Attributes attributes;
  std::shared_ptr<const Attributes> resource;
  InstrumentationScope scope;
  std::vector<SpanEvent> events;
  std::vector<SpanLink> links;

  Duration duration() const { return end - start; }
};

}  // namespace sonde
