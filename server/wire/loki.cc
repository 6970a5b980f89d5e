#include "wire/loki.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <protozero/pbf_writer.hpp>

#include "wire/compression.h"
#include "wire/log_line.h"
#include "wire/pbf_error.h"
#include "wire/prometheus_json.h"
#include "wire/utf8.h"

namespace sonde::wire {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

// Loki's discover_service_name, in its order.
constexpr std::array<std::string_view, 13> kServiceLabels = {"service",
                                                             "app",
                                                             "application",
                                                             "app_name",
                                                             "name",
                                                             "app_kubernetes_io_name",
                                                             "container",
                                                             "container_name",
                                                             "k8s_container_name",
                                                             "component",
                                                             "workload",
                                                             "job",
                                                             "k8s_job_name"};
constexpr std::array<std::string_view, 6> kLevelKeys = {"detected_level", "level", "severity_text",
                                                        "severity",       "lvl",   "log_level"};

LabelSet with_service_name(const LabelSet& labels) {
  if (labels.has("service_name")) return labels;
  std::string_view service = "unknown_service";
  for (std::string_view name : kServiceLabels) {
    if (std::string_view value = labels.get(name); !value.empty()) {
      service = value;
      break;
    }
  }
  return LabelBuilder(labels).set("service_name", service).build();
}

// Fills in what Loki would find out by itself.
class Detector {
 public:
  void complete(LogRecord& record) {
    if (auto id = TraceId::from_hex(string_attribute(record.attributes, "trace_id"))) record.trace_id = *id;
    if (auto id = SpanId::from_hex(string_attribute(record.attributes, "span_id"))) record.span_id = *id;
    std::string_view level;
    for (std::string_view key : kLevelKeys) {
      if (level.empty()) level = normal_level(string_attribute(record.attributes, key));
      if (level.empty()) level = normal_level(record.stream.get(key));
    }
    // Long lines are not worth the parse: their level stands early, if at all.
    if ((level.empty() || record.trace_id.empty()) && record.line.size() <= 65536) {
      LogLine line = parser_.parse(record.line);
      if (level.empty()) level = line.level;
      if (record.trace_id.empty()) record.trace_id = line.trace_id;
      if (record.span_id.empty()) record.span_id = line.span_id;
    }
    record.severity_number = severity_of_level(level);
    if (find_attribute(record.attributes, "detected_level") == nullptr) {
      record.attributes.emplace_back("detected_level", level.empty() ? std::string_view("unknown") : level);
    }
  }

 private:
  LogLineParser parser_;
};

Error invalid(std::string message) {
  return Error{ErrorCode::kInvalid, "loki push: " + std::move(message), {}, 0, 0};
}
Error over(std::string message) {
  return Error{ErrorCode::kLimit, "loki push: " + std::move(message), {}, 0, 0};
}

void set_attribute(Attributes& attributes, std::string_view key, std::string_view value) {
  for (auto& [k, v] : attributes) {
    if (k == key) {
      v = value;
      return;
    }
  }
  attributes.emplace_back(key, value);
}

// One JSON entry: ["ns", "line", {metadata}].
Result<LogRecord> json_entry(const simdjson::dom::element& value, const LokiPushLimits& limits,
                             const std::string& where) {
  simdjson::dom::array parts;
  if (value.get_array().get(parts) != simdjson::SUCCESS || parts.size() < 2) {
    return fail(invalid(where + ": expected [timestamp, line]"));
  }
  LogRecord record;
  std::string_view time, line;
  if (parts.at(0).get_string().get(time) != simdjson::SUCCESS)
    return fail(invalid(where + ": timestamp is no string"));
  auto parsed = std::from_chars(time.data(), time.data() + time.size(), record.time.ns);
  if (parsed.ec != std::errc() || parsed.ptr != time.data() + time.size()) {
    return fail(invalid(fmt::format("{}: timestamp {} is not in nanoseconds", where, quote(excerpt(time)))));
  }
  if (parts.at(1).get_string().get(line) != simdjson::SUCCESS)
    return fail(invalid(where + ": line is no string"));
  if (line.size() > limits.line_bytes_max) {
    return fail(over(
        fmt::format("{}: line of {} bytes, the limit is {}", where, line.size(), limits.line_bytes_max)));
  }
  record.line = line;
  if (parts.size() < 3) return record;
  simdjson::dom::object metadata;
  if (parts.at(2).get_object().get(metadata) != simdjson::SUCCESS) {
    return fail(invalid(where + ": structured metadata is no object"));
  }
  for (auto field : metadata) {
    std::string_view text;
    if (field.value.get_string().get(text) != simdjson::SUCCESS) {
      return fail(
          invalid(fmt::format("{}: structured metadata {} is no string", where, quote(excerpt(field.key)))));
    }
    if (record.attributes.size() == limits.metadata_max) {
      return fail(over(fmt::format("{}: more than {} structured metadata", where, limits.metadata_max)));
    }
    set_attribute(record.attributes, field.key, text);
  }
  return record;
}

class ProtobufPush {
 public:
  ProtobufPush(const LokiPushLimits& limits, std::vector<LogRecord>& out) : limits_(limits), out_(out) {}

  void request(pbf_reader& r, PbfPlace& place) {
    while (r.next()) {
      if (r.tag() == 1) {
        place.field = "streams";
        stream(read_message(r), place);
      } else {
        r.skip();
      }
    }
  }

 private:
  [[noreturn]] static void refuse(ErrorCode code, std::string message) {
    throw PbfRefusal{code, std::move(message)};
  }

  void stream(pbf_reader r, PbfPlace& place) {
    LabelSet labels;
    for (pbf_reader again = r; again.next();) {
      if (again.tag() != 1) {
        again.skip();
        continue;
      }
      place.field = "stream.labels";
      auto parsed = parse_loki_labels(read_bytes(again));
      if (!parsed) refuse(parsed.error().code, parsed.error().message);
      labels = *std::move(parsed);
    }
    if (labels.empty()) refuse(ErrorCode::kInvalid, "a stream without labels");
    if (labels.count() > limits_.labels_max) {
      refuse(ErrorCode::kLimit, fmt::format("more than {} labels", limits_.labels_max));
    }
    labels = with_service_name(labels);
    while (r.next()) {
      if (r.tag() == 2) {
        place.field = "stream.entries";
        entry(read_message(r), labels);
      } else {
        r.skip();
      }
    }
  }

  void entry(pbf_reader r, const LabelSet& labels) {
    if (out_.size() == limits_.records_max) {
      refuse(ErrorCode::kLimit, fmt::format("more than {} records", limits_.records_max));
    }
    LogRecord record;
    record.stream = labels;
    while (r.next()) {
      switch (r.tag()) {
        case 1:
          record.time = timestamp(read_message(r));
          break;
        case 2: {
          std::string_view line = read_bytes(r);
          if (line.size() > limits_.line_bytes_max) {
            refuse(ErrorCode::kLimit,
                   fmt::format("line of {} bytes, the limit is {}", line.size(), limits_.line_bytes_max));
          }
          record.line = line;
          break;
        }
        case 3:
          metadata(read_message(r), record.attributes);
          break;
        default:
          r.skip();
      }
    }
    detector_.complete(record);
    out_.push_back(std::move(record));
  }

  static EventTime timestamp(pbf_reader r) {
    int64_t seconds = 0;
    int32_t nanos = 0;
    while (r.next()) {
      if (r.tag() == 1) {
        seconds = read_int64(r);
      } else if (r.tag() == 2) {
        nanos = read_int32(r);
      } else {
        r.skip();
      }
    }
    if (seconds < -9'000'000'000 || seconds > 9'000'000'000 || nanos < 0 || nanos > 999'999'999) {
      refuse(ErrorCode::kInvalid, "timestamp out of range");
    }
    return {seconds * 1'000'000'000 + nanos};
  }

  void metadata(pbf_reader r, Attributes& out) {
    if (out.size() == limits_.metadata_max) {
      refuse(ErrorCode::kLimit, fmt::format("more than {} structured metadata", limits_.metadata_max));
    }
    std::string_view name, value;
    while (r.next()) {
      if (r.tag() == 1) {
        name = read_bytes(r);
      } else if (r.tag() == 2) {
        value = read_bytes(r);
      } else {
        r.skip();
      }
    }
    set_attribute(out, name, value);
  }

  const LokiPushLimits& limits_;
  std::vector<LogRecord>& out_;
  Detector detector_;
};

void append_code_point(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  } else if (c < 0x10000) {
    out += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | ((c >> 6) & 63)),
            static_cast<char>(0x80 | (c & 63))};
  } else {
    out += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | ((c >> 12) & 63)),
            static_cast<char>(0x80 | ((c >> 6) & 63)), static_cast<char>(0x80 | (c & 63))};
  }
}

// One Go escape; `i` behind the backslash, afterwards behind the escape.
bool append_escape(std::string_view s, size_t& i, std::string& out) {
  if (i == s.size()) return false;
  char c = s[i++];
  static constexpr std::string_view kNames = "abfnrtv\\\"'";
  static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\\"'";
  if (size_t at = kNames.find(c); at != std::string_view::npos) {
    out += kValues[at];
    return true;
  }
  bool octal = c >= '0' && c <= '7';
  size_t n = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : octal ? 3 : 0;
  if (octal) i--;
  if (n == 0 || s.size() - i < n) return false;
  uint32_t v = 0;
  auto r = std::from_chars(s.data() + i, s.data() + i + n, v, octal ? 8 : 16);
  if (r.ec != std::errc() || r.ptr != s.data() + i + n) return false;
  i += n;
  if (c == 'u' || c == 'U') {
    if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) return false;
    append_code_point(out, v);
  } else {
    if (v > 255) return false;
    out += static_cast<char>(v);
  }
  return true;
}

}  // namespace

Result<LabelSet> parse_loki_labels(std::string_view text) {
  size_t i = 0;
  auto skip = [&] {
    while (i < text.size() && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r')) i++;
  };
  auto wrong = [&](std::string_view what) {
    return fail(ErrorCode::kInvalid, fmt::format("labels {}: {} at byte {}", quote(excerpt(text)), what, i));
  };
  std::vector<std::pair<std::string, std::string>> labels;
  skip();
  if (i == text.size() || text[i] != '{') return wrong("expected '{'");
  i++;
  skip();
  while (i < text.size() && text[i] != '}') {
    size_t start = i;
    while (i < text.size() && is_legacy_label_name(text.substr(start, i + 1 - start))) i++;
    std::string name(text.substr(start, i - start));
    if (name.empty()) return wrong("expected a label name");
    if (labels.size() >= 1024) return fail(ErrorCode::kLimit, "labels: more than 1024");
    skip();
    if (i == text.size() || text[i] != '=') return wrong("expected '='");
    i++;
    skip();
    if (i == text.size() || (text[i] != '"' && text[i] != '`')) return wrong("expected a quoted value");
    char mark = text[i++];
    std::string value;
    bool closed = false;
    while (i < text.size()) {
      char c = text[i++];
      if (c == mark) {
        closed = true;
        break;
      }
      if (c == '\\' && mark == '"') {
        if (!append_escape(text, i, value)) return wrong("invalid escape");
      } else if (c == '\n' && mark == '"') {
        return wrong("line end inside quotes");
      } else {
        value += c;
      }
    }
    if (!closed) return wrong("quotes are not closed");
    if (!is_valid_utf8(value)) return wrong("value is not UTF-8");
    labels.emplace_back(std::move(name), std::move(value));
    skip();
    if (i < text.size() && text[i] == ',') {
      i++;
      skip();
    } else if (i < text.size() && text[i] != '}') {
      return wrong("expected ',' or '}'");
    }
  }
  if (i == text.size()) return wrong("braces are not closed");
  i++;
  skip();
  if (i != text.size()) return wrong("unexpected text after the braces");
  std::sort(labels.begin(), labels.end());
  auto twice = std::adjacent_find(labels.begin(), labels.end(),
                                  [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != labels.end()) return wrong(fmt::format("label {} given twice", twice->first.substr(0, 64)));
  return LabelSet::from(std::move(labels));
}

Result<std::vector<LogRecord>> decode_loki_push_json(std::string_view body, const LokiPushLimits& limits) {
  if (body.size() > limits.bytes_max) {
    return fail(over(fmt::format("body of {} bytes, the limit is {}", body.size(), limits.bytes_max)));
  }
  simdjson::dom::parser parser;
  simdjson::dom::array streams;
  simdjson::dom::element root;
  if (auto code = parser.parse(body.data(), body.size(), true).get(root); code != simdjson::SUCCESS) {
    return fail(
        invalid(fmt::format("JSON: {} near {}", simdjson::error_message(code), quote(excerpt(body)))));
  }
  if (root["streams"].get_array().get(streams) != simdjson::SUCCESS)
    return fail(invalid("no array \"streams\""));
  std::vector<LogRecord> out;
  Detector detector;
  size_t stream_number = 0;
  for (simdjson::dom::element stream : streams) {
    std::string where = fmt::format("stream {}", stream_number++);
    simdjson::dom::object labels_object;
    if (stream["stream"].get_object().get(labels_object) != simdjson::SUCCESS &&
        stream["labels"].get_object().get(labels_object) != simdjson::SUCCESS) {
      return fail(invalid(where + ": no object \"stream\""));
    }
    std::vector<std::pair<std::string, std::string>> labels;
    for (auto field : labels_object) {
      std::string_view value;
      if (field.value.get_string().get(value) != simdjson::SUCCESS) {
        return fail(invalid(fmt::format("{}: label {} is no string", where, quote(excerpt(field.key)))));
      }
      if (!is_legacy_label_name(field.key)) {
        return fail(invalid(fmt::format("{}: {} is no label name", where, quote(excerpt(field.key)))));
      }
      if (labels.size() == limits.labels_max) {
        return fail(over(fmt::format("{}: more than {} labels", where, limits.labels_max)));
      }
      labels.emplace_back(field.key, value);
    }
    LabelSet set = LabelSet::from(std::move(labels));
    if (set.empty()) return fail(invalid(where + " has no labels"));
    set = with_service_name(set);
    simdjson::dom::array values;
    if (stream["values"].get_array().get(values) != simdjson::SUCCESS) {
      return fail(invalid(where + ": no array \"values\""));
    }
    size_t entry_number = 0;
    for (simdjson::dom::element value : values) {
      if (out.size() == limits.records_max) {
        return fail(over(fmt::format("more than {} records", limits.records_max)));
      }
      SONDE_TRY(LogRecord record,
                json_entry(value, limits, fmt::format("{}, entry {}", where, entry_number++)));
      record.stream = set;
      detector.complete(record);
      out.push_back(std::move(record));
    }
  }
  return out;
}

Result<std::vector<LogRecord>> decode_loki_push_protobuf(std::string_view body,
                                                         const LokiPushLimits& limits) {
  SONDE_TRY(std::string raw, snappy_decode(body, limits.bytes_max));
  std::vector<LogRecord> out;
  ProtobufPush push(limits, out);
  SONDE_CHECK(decode_pbf("loki push", raw, [&](auto& r, auto& place) { push.request(r, place); }));
  return out;
}

std::string encode_loki_push_protobuf(const std::vector<LogRecord>& records) {
  std::vector<std::pair<LabelSet, std::vector<const LogRecord*>>> streams;
  std::map<LabelSet, size_t> places;
  for (const LogRecord& r : records) {
    auto [it, fresh] = places.try_emplace(r.stream, streams.size());
    if (fresh) streams.emplace_back(r.stream, std::vector<const LogRecord*>());
    streams[it->second].second.push_back(&r);
  }
  std::string raw;
  pbf_writer request(raw);
  for (const auto& [labels, of_stream] : streams) {
    pbf_writer stream(request, 1);
    stream.add_string(1, labels.empty() ? "{}" : labels.to_string());
    for (const LogRecord* r : of_stream) {
      pbf_writer entry(stream, 2);
      {
        int64_t seconds = r->time.ns / 1'000'000'000;
        int64_t nanos = r->time.ns % 1'000'000'000;
        if (nanos < 0) {
          seconds--;
          nanos += 1'000'000'000;
        }
        pbf_writer t(entry, 1);
        t.add_int64(1, seconds);
        t.add_int32(2, static_cast<int32_t>(nanos));
      }
      entry.add_string(2, r->line);
      for (const auto& [key, value] : r->attributes) {
        pbf_writer pair(entry, 3);
        pair.add_string(1, key);
        pair.add_string(2, value.to_text());
      }
    }
  }
  return snappy_encode(raw);
}

LokiResultWriter::LokiResultWriter(std::string& out, Type type, bool categorize)
    : json_(out), categorize_(categorize && type == Type::kStreams) {
  static constexpr const char* kNames[] = {"streams", "matrix", "vector"};
  json_.begin_object().field("status", "success").key("data").begin_object();
  json_.field("resultType", kNames[static_cast<int>(type)]);
  if (categorize_) json_.key("encodingFlags").begin_array().string("categorize-labels").end_array();
  json_.key("result").begin_array();
}

void LokiResultWriter::begin_stream(const LabelSet& labels) {
  json_.begin_object().key("stream");
  write_labels(json_, labels);
  json_.key("values").begin_array();
}

void LokiResultWriter::write_pairs(LokiPairs pairs) {
  json_.begin_object();
  for (const auto& [key, value] : pairs) json_.key(key).string(value);
  json_.end_object();
}

void LokiResultWriter::entry(EventTime t, std::string_view line, LokiPairs structured_metadata,
                             LokiPairs parsed) {
  json_.begin_array().integer_string(t.ns).string(line);
  if (categorize_) {
    json_.begin_object();
    if (!structured_metadata.empty()) {
      json_.key("structuredMetadata");
      write_pairs(structured_metadata);
    }
    if (!parsed.empty()) {
      json_.key("parsed");
      write_pairs(parsed);
    }
    json_.end_object();
  }
  json_.end_array();
}

void LokiResultWriter::end_stream() { json_.end_array().end_object(); }

void LokiResultWriter::begin_series(const LabelSet& labels) {
  json_.begin_object().key("metric");
  write_labels(json_, labels);
  json_.key("values").begin_array();
}

void LokiResultWriter::point(Timestamp t, double v) { write_sample(json_, {t, v}); }
void LokiResultWriter::end_series() { json_.end_array().end_object(); }

void LokiResultWriter::sample(const LabelSet& labels, Timestamp t, double v) {
  json_.begin_object().key("metric");
  write_labels(json_, labels);
  json_.key("value");
  write_sample(json_, {t, v});
  json_.end_object();
}

void LokiResultWriter::finish(const LokiStats& stats) {
  auto rate = [&](int64_t n) {
    return stats.exec_seconds > 0 ? static_cast<int64_t>(static_cast<double>(n) / stats.exec_seconds)
                                  : int64_t{0};
  };
  json_.end_array().key("stats").begin_object().key("summary").begin_object();
  json_.field("bytesProcessedPerSecond", rate(stats.bytes_processed));
  json_.field("linesProcessedPerSecond", rate(stats.lines_processed));
  json_.field("totalBytesProcessed", stats.bytes_processed);
  json_.field("totalLinesProcessed", stats.lines_processed);
  json_.key("execTime").number(stats.exec_seconds);
  json_.field("totalEntriesReturned", stats.entries_returned);
  json_.end_object().end_object().end_object().end_object();
}

std::string encode_loki_strings(const std::vector<std::string>& data) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("status", "success").key("data").begin_array();
  for (const std::string& s : data) json.string(s);
  json.end_array().end_object();
  return out;
}

std::string encode_loki_series(const std::vector<LabelSet>& series) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("status", "success").key("data").begin_array();
  for (const LabelSet& s : series) write_labels(json, s);
  json.end_array().end_object();
  return out;
}

}  // namespace sonde::wire
