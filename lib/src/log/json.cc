#include "log/json.h"

#include <charconv>
#include <cmath>
#include <ctime>

#include "expose/text.h"
#include "sonde/log.h"
#include "trace/items.h"

namespace sonde::inline v1::detail {

namespace {

void append_int(std::string& out, int64_t v) {
  char text[kNumberBytes];
  out.append(text, std::to_chars(text, text + sizeof text, v).ptr);
}

void append_value(std::string& out, const Field& f) {
  switch (f.type) {
    case Field::Type::kBool:
      out += f.boolean ? "true" : "false";
      break;
    case Field::Type::kInt:
      append_int(out, f.integer);
      break;
    case Field::Type::kUint:
      append_uint(out, f.natural);
      break;
    case Field::Type::kDouble:
      if (std::isfinite(f.real)) {
        append_double(out, f.real);
      } else {
        out += '"';
        append_double(out, f.real);
        out += '"';
      }
      break;
    case Field::Type::kText:
      append_json_string(out, f.text);
      break;
  }
}

// The keys that every line has: a field of such a name gets a prefix instead of shadowing it.
bool is_line_key(std::string_view key) {
  for (std::string_view own :
       {"timestamp", "level", "message", "logger", "trace_id", "span_id", "trace_flags", "service.name",
        "code.file.path", "code.line.number", "thread.id"}) {
    if (key == own) return true;
  }
  return false;
}

// Fields in the order given; of two with the same key the later one wins, in the place of the first.
template <class Skip>
void append_fields(std::string& out, const char* in, size_t count, Skip&& skip) {
  const char* scan = in;
  for (size_t i = 0; i < count; i++) {
    Field field = read_field(scan);
    const char* rest = scan;
    bool repeated = false;
    for (size_t j = i + 1; j < count && !repeated; j++) repeated = read_field(rest).key == field.key;
    if (repeated) continue;
    out += ',';
    if (skip(field.key)) {
      std::string key = "fields.";
      key += field.key;
      append_json_string(out, key);
    } else {
      append_json_string(out, field.key);
    }
    out += ':';
    append_value(out, field);
  }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  auto* p = reinterpret_cast<const unsigned char*>(text.data());
  auto* end = p + text.size();
  auto* plain = p;
  auto flush = [&] { out.append(reinterpret_cast<const char*>(plain), static_cast<size_t>(p - plain)); };
  while (p < end) {
    if (*p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\' && *p != 0x7f) {
      p++;
      continue;
    }
    size_t n = utf8_length(p, end);
    if (n > 1) {
      p += n;
      continue;
    }
    flush();
    switch (*p) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (n == 0) {
          out += "\\ufffd";
        } else {
          out += "\\u00";
          out += "0123456789abcdef"[*p >> 4];
          out += "0123456789abcdef"[*p & 15];
        }
    }
    plain = ++p;
  }
  flush();
  out += '"';
}

void append_timestamp(std::string& out, int64_t unix_ns) {
  int64_t seconds = unix_ns / 1'000'000'000;
  int64_t ns = unix_ns % 1'000'000'000;
  if (ns < 0) {
    ns += 1'000'000'000;
    seconds--;
  }
  // The civil date is the same for a second's worth of lines.
  static thread_local constinit int64_t cached_second = INT64_MIN;
  static thread_local constinit char cached[24] = {};
  if (seconds != cached_second) {
    auto t = static_cast<time_t>(seconds);
    tm parts{};
    gmtime_r(&t, &parts);
    auto digits = [](char* at, int v, int n) {
      for (int i = n - 1; i >= 0; i--, v /= 10) at[i] = static_cast<char>('0' + v % 10);
    };
    digits(cached, parts.tm_year + 1900, 4);
    cached[4] = '-';
    digits(cached + 5, parts.tm_mon + 1, 2);
    cached[7] = '-';
    digits(cached + 8, parts.tm_mday, 2);
    cached[10] = 'T';
    digits(cached + 11, parts.tm_hour, 2);
    cached[13] = ':';
    digits(cached + 14, parts.tm_min, 2);
    cached[16] = ':';
    digits(cached + 17, parts.tm_sec, 2);
    cached[19] = '.';
    cached_second = seconds;
  }
  out.append(cached, 20);
  char fraction[10];
  for (int i = 8; i >= 0; i--, ns /= 10) fraction[i] = static_cast<char>('0' + ns % 10);
  fraction[9] = 'Z';
  out.append(fraction, 10);
}

void append_log_json(std::string& out, const LogHead& head, const char* body, std::string_view service) {
  std::string_view message(head.message != nullptr ? head.message : body, head.message_size);
  if (head.message == nullptr) body += head.message_size;
  out += "{\"timestamp\":\"";
  append_timestamp(out, head.unix_ns);
  out += "\",\"level\":\"";
  out += level_name(static_cast<Level>(head.level));
  out += "\",\"message\":";
  append_json_string(out, message);
  if (head.logger_size != 0) {
    out += ",\"logger\":";
    append_json_string(out, {head.logger, head.logger_size});
  }
  if (head.span_id != 0) {
    out += ",\"trace_id\":\"";
    append_hex(out, head.trace_high);
    append_hex(out, head.trace_low);
    out += "\",\"span_id\":\"";
    append_hex(out, head.span_id);
    out += "\",\"trace_flags\":\"0";
    out += static_cast<char>('0' + (head.trace_flags & 1));
    out += '"';
  }
  if (!service.empty()) {
    out += ",\"service.name\":";
    append_json_string(out, service);
  }
  out += ",\"code.file.path\":";
  append_json_string(out, head.file == nullptr ? "" : head.file);
  out += ",\"code.line.number\":";
  append_uint(out, head.line);
  out += ",\"thread.id\":";
  append_uint(out, head.thread_id);
  append_fields(out, body, head.field_count, is_line_key);
  out += "}\n";
}

void append_span_json(std::string& out, const SpanHead& head, const char* body, std::string_view service) {
  SpanView span = view_span(head, body);
  out += "{\"span\":";
  append_json_string(out, span.name);
  out += ",\"trace_id\":\"";
  append_hex(out, head.trace_high);
  append_hex(out, head.trace_low);
  out += "\",\"span_id\":\"";
  append_hex(out, head.span_id);
  if (head.parent_span_id != 0) {
    out += "\",\"parent_span_id\":\"";
    append_hex(out, head.parent_span_id);
  }
  constexpr std::string_view kKinds[] = {"unspecified", "internal", "server",
                                         "client",      "producer", "consumer"};
  constexpr std::string_view kStatus[] = {"unset", "ok", "error"};
  out += "\",\"kind\":\"";
  out += kKinds[head.kind < 6 ? head.kind : 0];
  out += "\",\"start\":\"";
  append_timestamp(out, head.start_unix_ns);
  out += "\",\"duration_seconds\":";
  append_seconds(out, head.end_unix_ns - head.start_unix_ns);
  out += ",\"status\":\"";
  out += kStatus[head.status < 3 ? head.status : 0];
  out += '"';
  if (!span.status_text.empty()) {
    out += ",\"status_description\":";
    append_json_string(out, span.status_text);
  }
  if (!service.empty()) {
    out += ",\"service.name\":";
    append_json_string(out, service);
  }
  out += ",\"attributes\":{";
  size_t at = out.size();
  each_attribute(span, [&](const Field& f) {
    out += ',';
    append_json_string(out, f.key);
    out += ':';
    append_value(out, f);
  });
  if (out.size() > at) out.erase(at, 1);
  out += "},\"events\":[";
  bool first = true;
  each_item(span, SpanItem::kEvent, [&](const char* in, uint32_t) {
    EventHead event;
    std::memcpy(&event, in, sizeof event);
    in += sizeof event;
    if (!first) out += ',';
    first = false;
    out += "{\"timestamp\":\"";
    append_timestamp(out, event.unix_ns);
    out += "\",\"name\":";
    append_json_string(out, {in, event.name_size});
    append_fields(out, in + event.name_size, event.field_count,
                  [](std::string_view key) { return key == "timestamp" || key == "name"; });
    out += '}';
  });
  out += "]}\n";
}

}  // namespace sonde::inline v1::detail
