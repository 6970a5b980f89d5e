// OTLP's JSON mapping, translated into protobuf by a table of the messages' fields: one decoder serves both.
#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <limits>
#include <protozero/pbf_writer.hpp>

#include "wire/otlp.h"
#include "wire/utf8.h"

namespace sonde::wire {
namespace {

using protozero::pbf_writer;
using simdjson::dom::element;
using simdjson::dom::element_type;

enum class Kind : uint8_t { kString, kHexId, kBase64, kVarint, kFixed64, kFixed32, kDouble, kBool, kMessage };

struct Schema;
struct Field {
  std::string_view name;
  uint32_t tag;
  Kind kind;
  const Schema* message = nullptr;
  bool repeated = false;
};
struct Schema {
  const Field* fields;
  size_t count;
};

extern const Schema kAnyValue;

constexpr Field kKeyValueFields[] = {{"key", 1, Kind::kString}, {"value", 2, Kind::kMessage, &kAnyValue}};
constexpr Schema kKeyValue{kKeyValueFields, 2};
constexpr Field kArrayValueFields[] = {{"values", 1, Kind::kMessage, &kAnyValue, true}};
constexpr Schema kArrayValue{kArrayValueFields, 1};
constexpr Field kKvListFields[] = {{"values", 1, Kind::kMessage, &kKeyValue, true}};
constexpr Schema kKvList{kKvListFields, 1};
constexpr Field kAnyValueFields[] = {
    {"stringValue", 1, Kind::kString},
    {"boolValue", 2, Kind::kBool},
    {"intValue", 3, Kind::kVarint},
    {"doubleValue", 4, Kind::kDouble},
    {"arrayValue", 5, Kind::kMessage, &kArrayValue},
    {"kvlistValue", 6, Kind::kMessage, &kKvList},
    {"bytesValue", 7, Kind::kBase64},
};
constexpr Schema kAnyValue{kAnyValueFields, std::size(kAnyValueFields)};

constexpr Field kResourceFields[] = {{"attributes", 1, Kind::kMessage, &kKeyValue, true}};
constexpr Schema kResource{kResourceFields, 1};
constexpr Field kScopeFields[] = {{"name", 1, Kind::kString},
                                  {"version", 2, Kind::kString},
                                  {"attributes", 3, Kind::kMessage, &kKeyValue, true}};
constexpr Schema kScope{kScopeFields, 3};

constexpr Field kStatusFields[] = {{"message", 2, Kind::kString}, {"code", 3, Kind::kVarint}};
constexpr Schema kStatus{kStatusFields, 2};
constexpr Field kEventFields[] = {{"timeUnixNano", 1, Kind::kFixed64},
                                  {"name", 2, Kind::kString},
                                  {"attributes", 3, Kind::kMessage, &kKeyValue, true}};
constexpr Schema kEvent{kEventFields, 3};
constexpr Field kLinkFields[] = {{"traceId", 1, Kind::kHexId},
                                 {"spanId", 2, Kind::kHexId},
                                 {"traceState", 3, Kind::kString},
                                 {"attributes", 4, Kind::kMessage, &kKeyValue, true},
                                 {"flags", 6, Kind::kFixed32}};
constexpr Schema kLink{kLinkFields, 5};
constexpr Field kSpanFields[] = {
    {"traceId", 1, Kind::kHexId},
    {"spanId", 2, Kind::kHexId},
    {"traceState", 3, Kind::kString},
    {"parentSpanId", 4, Kind::kHexId},
    {"name", 5, Kind::kString},
    {"kind", 6, Kind::kVarint},
    {"startTimeUnixNano", 7, Kind::kFixed64},
    {"endTimeUnixNano", 8, Kind::kFixed64},
    {"attributes", 9, Kind::kMessage, &kKeyValue, true},
    {"events", 11, Kind::kMessage, &kEvent, true},
    {"links", 13, Kind::kMessage, &kLink, true},
    {"status", 15, Kind::kMessage, &kStatus},
    {"flags", 16, Kind::kFixed32},
};
constexpr Schema kSpan{kSpanFields, std::size(kSpanFields)};
constexpr Field kScopeSpansFields[] = {{"scope", 1, Kind::kMessage, &kScope},
                                       {"spans", 2, Kind::kMessage, &kSpan, true}};
constexpr Schema kScopeSpans{kScopeSpansFields, 2};
constexpr Field kResourceSpansFields[] = {{"resource", 1, Kind::kMessage, &kResource},
                                          {"scopeSpans", 2, Kind::kMessage, &kScopeSpans, true}};
constexpr Schema kResourceSpans{kResourceSpansFields, 2};
constexpr Field kTracesFields[] = {{"resourceSpans", 1, Kind::kMessage, &kResourceSpans, true}};
constexpr Schema kTraces{kTracesFields, 1};

constexpr Field kLogRecordFields[] = {
    {"timeUnixNano", 1, Kind::kFixed64},
    {"severityNumber", 2, Kind::kVarint},
    {"severityText", 3, Kind::kString},
    {"body", 5, Kind::kMessage, &kAnyValue},
    {"attributes", 6, Kind::kMessage, &kKeyValue, true},
    {"flags", 8, Kind::kFixed32},
    {"traceId", 9, Kind::kHexId},
    {"spanId", 10, Kind::kHexId},
    {"observedTimeUnixNano", 11, Kind::kFixed64},
    {"eventName", 12, Kind::kString},
};
constexpr Schema kLogRecord{kLogRecordFields, std::size(kLogRecordFields)};
constexpr Field kScopeLogsFields[] = {{"scope", 1, Kind::kMessage, &kScope},
                                      {"logRecords", 2, Kind::kMessage, &kLogRecord, true}};
constexpr Schema kScopeLogs{kScopeLogsFields, 2};
constexpr Field kResourceLogsFields[] = {{"resource", 1, Kind::kMessage, &kResource},
                                         {"scopeLogs", 2, Kind::kMessage, &kScopeLogs, true}};
constexpr Schema kResourceLogs{kResourceLogsFields, 2};
constexpr Field kLogsFields[] = {{"resourceLogs", 1, Kind::kMessage, &kResourceLogs, true}};
constexpr Schema kLogs{kLogsFields, 1};

constexpr Field kExemplarFields[] = {
    {"timeUnixNano", 2, Kind::kFixed64}, {"asDouble", 3, Kind::kDouble},
    {"spanId", 4, Kind::kHexId},         {"traceId", 5, Kind::kHexId},
    {"asInt", 6, Kind::kFixed64},        {"filteredAttributes", 7, Kind::kMessage, &kKeyValue, true},
};
constexpr Schema kExemplar{kExemplarFields, std::size(kExemplarFields)};
constexpr Field kNumberPointFields[] = {
    {"startTimeUnixNano", 2, Kind::kFixed64},
    {"timeUnixNano", 3, Kind::kFixed64},
    {"asDouble", 4, Kind::kDouble},
    {"exemplars", 5, Kind::kMessage, &kExemplar, true},
    {"asInt", 6, Kind::kFixed64},
    {"attributes", 7, Kind::kMessage, &kKeyValue, true},
    {"flags", 8, Kind::kVarint},
};
constexpr Schema kNumberPoint{kNumberPointFields, std::size(kNumberPointFields)};
constexpr Field kHistogramPointFields[] = {
    {"startTimeUnixNano", 2, Kind::kFixed64},
    {"timeUnixNano", 3, Kind::kFixed64},
    {"count", 4, Kind::kFixed64},
    {"sum", 5, Kind::kDouble},
    {"bucketCounts", 6, Kind::kFixed64, nullptr, true},
    {"explicitBounds", 7, Kind::kDouble, nullptr, true},
    {"exemplars", 8, Kind::kMessage, &kExemplar, true},
    {"attributes", 9, Kind::kMessage, &kKeyValue, true},
    {"flags", 10, Kind::kVarint},
    {"min", 11, Kind::kDouble},
    {"max", 12, Kind::kDouble},
};
constexpr Schema kHistogramPoint{kHistogramPointFields, std::size(kHistogramPointFields)};
// Points of kinds that are counted but not read.
constexpr Schema kOpaque{nullptr, 0};
constexpr Field kGaugeFields[] = {{"dataPoints", 1, Kind::kMessage, &kNumberPoint, true}};
constexpr Schema kGauge{kGaugeFields, 1};
constexpr Field kSumFields[] = {{"dataPoints", 1, Kind::kMessage, &kNumberPoint, true},
                                {"aggregationTemporality", 2, Kind::kVarint},
                                {"isMonotonic", 3, Kind::kBool}};
constexpr Schema kSum{kSumFields, 3};
constexpr Field kHistogramFields[] = {{"dataPoints", 1, Kind::kMessage, &kHistogramPoint, true},
                                      {"aggregationTemporality", 2, Kind::kVarint}};
constexpr Schema kHistogram{kHistogramFields, 2};
constexpr Field kOtherFields[] = {{"dataPoints", 1, Kind::kMessage, &kOpaque, true}};
constexpr Schema kOther{kOtherFields, 1};
constexpr Field kMetricFields[] = {
    {"name", 1, Kind::kString},
    {"description", 2, Kind::kString},
    {"unit", 3, Kind::kString},
    {"gauge", 5, Kind::kMessage, &kGauge},
    {"sum", 7, Kind::kMessage, &kSum},
    {"histogram", 9, Kind::kMessage, &kHistogram},
    {"exponentialHistogram", 10, Kind::kMessage, &kOther},
    {"summary", 11, Kind::kMessage, &kOther},
};
constexpr Schema kMetric{kMetricFields, std::size(kMetricFields)};
constexpr Field kScopeMetricsFields[] = {{"scope", 1, Kind::kMessage, &kScope},
                                         {"metrics", 2, Kind::kMessage, &kMetric, true}};
constexpr Schema kScopeMetrics{kScopeMetricsFields, 2};
constexpr Field kResourceMetricsFields[] = {{"resource", 1, Kind::kMessage, &kResource},
                                            {"scopeMetrics", 2, Kind::kMessage, &kScopeMetrics, true}};
constexpr Schema kResourceMetrics{kResourceMetricsFields, 2};
constexpr Field kMetricsFields[] = {{"resourceMetrics", 1, Kind::kMessage, &kResourceMetrics, true}};
constexpr Schema kMetrics{kMetricsFields, 1};

// Messages in messages: the frame of an export request is 6 deep, a nested value costs 3. The decoder's own
// bound on nested values is stricter.
constexpr int kDepthMax = 96;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What is no hex becomes one byte, which no id is: the decoder then refuses the one item, not the request.
std::string from_hex(std::string_view text) {
  std::string out;
  if (text.size() % 2 != 0 || text.size() > 64) return "?";
  for (size_t i = 0; i < text.size(); i += 2) {
    int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return "?";
    out.push_back(static_cast<char>(high << 4 | low));
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (char c : text) {
    int v = c >= 'A' && c <= 'Z'   ? c - 'A'
            : c >= 'a' && c <= 'z' ? c - 'a' + 26
            : c >= '0' && c <= '9' ? c - '0' + 52
            : c == '+' || c == '-' ? 62
            : c == '/' || c == '_' ? 63
                                   : -1;
    if (v < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(v);
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<char>(bits >> have));
    }
  }
  return out;
}

// A 64-bit number, as number or string, as its two's complement.
std::optional<uint64_t> integer_of(const element& e) {
  switch (e.type()) {
    case element_type::INT64:
      return static_cast<uint64_t>(e.get_int64().value_unsafe());
    case element_type::UINT64:
      return e.get_uint64().value_unsafe();
    case element_type::DOUBLE: {
      double d = e.get_double().value_unsafe();
      if (!(d > -9.2e18 && d < 9.2e18)) return std::nullopt;
      auto i = static_cast<int64_t>(d);
      if (static_cast<double>(i) != d) return std::nullopt;
      return static_cast<uint64_t>(i);
    }
    case element_type::STRING: {
      std::string_view s = e.get_string().value_unsafe();
      const char* end = s.data() + s.size();
      uint64_t u = 0;
      if (auto r = std::from_chars(s.data(), end, u); r.ec == std::errc() && r.ptr == end) return u;
      int64_t i = 0;
      if (auto r = std::from_chars(s.data(), end, i); r.ec == std::errc() && r.ptr == end) {
        return static_cast<uint64_t>(i);
      }
      return std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> double_of(const element& e) {
  switch (e.type()) {
    case element_type::INT64:
      return static_cast<double>(e.get_int64().value_unsafe());
    case element_type::UINT64:
      return static_cast<double>(e.get_uint64().value_unsafe());
    case element_type::DOUBLE:
      return e.get_double().value_unsafe();
    case element_type::STRING: {
      std::string_view s = e.get_string().value_unsafe();
      if (s == "NaN") return std::numeric_limits<double>::quiet_NaN();
      if (s == "Infinity") return std::numeric_limits<double>::infinity();
      if (s == "-Infinity") return -std::numeric_limits<double>::infinity();
      double d = 0;
      auto r = std::from_chars(s.data(), s.data() + s.size(), d);
      if (r.ec != std::errc() || r.ptr != s.data() + s.size()) return std::nullopt;
      return d;
    }
    default:
      return std::nullopt;
  }
}

class Translator {
 public:
  // `buffer` is what the writers write into.
  explicit Translator(const std::string& buffer) : buffer_(buffer) {}

  std::string error;

  bool message(pbf_writer& out, const element& e, const Schema& schema, int depth) {
    if (depth > kDepthMax) return wrong(fmt::format("nested deeper than {}", kDepthMax));
    simdjson::dom::object object;
    if (e.get_object().get(object) != simdjson::SUCCESS) return wrong("an object was expected");
    for (auto member : object) {
      const Field* field = find(schema, member.key);
      if (field == nullptr || member.value.is_null()) continue;
      bool ok =
          field->repeated ? list(out, member.value, *field, depth) : value(out, member.value, *field, depth);
      if (!ok) {
        error = std::string(field->name) + (error.starts_with(':') ? "" : ".") + error;
        return false;
      }
    }
    return true;
  }

 private:
  bool wrong(std::string why) {
    error = ": " + std::move(why);
    return false;
  }

  static const Field* find(const Schema& schema, std::string_view name) {
    for (size_t i = 0; i < schema.count; i++) {
      if (schema.fields[i].name == name) return &schema.fields[i];
    }
    return nullptr;
  }

  bool list(pbf_writer& out, const element& e, const Field& field, int depth) {
    simdjson::dom::array array;
    if (e.get_array().get(array) != simdjson::SUCCESS) return wrong("an array was expected");
    for (element item : array) {
      if (!value(out, item, field, depth)) return false;
    }
    return true;
  }

  bool value(pbf_writer& out, const element& e, const Field& field, int depth) {
    switch (field.kind) {
      case Kind::kMessage: {
        bool ok = false;
        bool empty = false;
        {
          pbf_writer sub(out, field.tag);
          size_t before = buffer_.size();
          ok = message(sub, e, *field.message, depth + 1);
          empty = buffer_.size() == before;
        }
        // The writer takes an empty message back; but an empty element counts.
        if (empty) out.add_message(field.tag, std::string());
        return ok;
      }
      case Kind::kString:
      case Kind::kHexId:
      case Kind::kBase64: {
        std::string_view text;
        if (e.get_string().get(text) != simdjson::SUCCESS) return wrong("a string was expected");
        if (field.kind == Kind::kString) {
          out.add_bytes(field.tag, text.data(), text.size());
        } else if (field.kind == Kind::kHexId) {
          out.add_bytes(field.tag, from_hex(text));
        } else {
          auto bytes = from_base64(text);
          if (!bytes) return wrong("not base64");
          out.add_bytes(field.tag, *bytes);
        }
        return true;
      }
      case Kind::kBool: {
        bool b = false;
        if (e.get_bool().get(b) != simdjson::SUCCESS) return wrong("true or false was expected");
        out.add_bool(field.tag, b);
        return true;
      }
      case Kind::kDouble: {
        auto d = double_of(e);
        if (!d) return wrong("a number was expected");
        out.add_double(field.tag, *d);
        return true;
      }
      case Kind::kVarint:
      case Kind::kFixed64:
      case Kind::kFixed32: {
        auto i = integer_of(e);
        if (!i) return wrong("a whole number was expected");
        if (field.kind == Kind::kVarint) {
          out.add_uint64(field.tag, *i);
        } else if (field.kind == Kind::kFixed64) {
          out.add_fixed64(field.tag, *i);
        } else {
          out.add_fixed32(field.tag, static_cast<uint32_t>(*i));
        }
        return true;
      }
    }
    return wrong("unknown kind");
  }

  const std::string& buffer_;
};

}  // namespace

Result<std::string> otlp_json_to_protobuf(std::string_view json, OtlpSignal signal) {
  const Schema& schema = signal == OtlpSignal::kTraces ? kTraces
                         : signal == OtlpSignal::kLogs ? kLogs
                                                       : kMetrics;
  simdjson::dom::parser parser;
  element root;
  if (auto code = parser.parse(json.data(), json.size(), true).get(root); code != simdjson::SUCCESS) {
    return fail(ErrorCode::kInvalid,
                fmt::format("OTLP JSON: {} near {}", simdjson::error_message(code), quote(excerpt(json))));
  }
  std::string out;
  pbf_writer writer(out);
  Translator translator(out);
  if (!translator.message(writer, root, schema, 0)) {
    std::string at = translator.error.starts_with(": ") ? "request" + translator.error : translator.error;
    return fail(ErrorCode::kInvalid, "OTLP JSON: " + at);
  }
  return out;
}

}  // namespace sonde::wire
