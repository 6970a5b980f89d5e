#include "export/otlp.h"

#include "export/proto.h"
#include "sonde/log.h"
#include "trace/items.h"

namespace sonde::inline v1::detail {

namespace {

void key_value(ProtoWriter& w, uint32_t field, const Field& f) {
  w.message(field, [&] {
    w.text(1, f.key);
    w.message(2, [&] {
      switch (f.type) {
        case Field::Type::kBool:
          w.varint(2, f.boolean ? 1 : 0);
          break;
        case Field::Type::kInt:
          w.varint(3, static_cast<uint64_t>(f.integer));
          break;
        case Field::Type::kUint:
          // AnyValue has no unsigned integer: what does not fit is kept as a number that does.
          if (f.natural <= INT64_MAX) {
            w.varint(3, f.natural);
          } else {
            w.real(4, static_cast<double>(f.natural));
          }
          break;
        case Field::Type::kDouble:
          w.real(4, f.real);
          break;
        case Field::Type::kText:
          w.text(1, f.text);
          break;
      }
    });
  });
}

// Keys are unique in OTLP: the last one wins.
void key_values(ProtoWriter& w, uint32_t field, const char* in, size_t count) {
  for (size_t i = 0; i < count; i++) {
    Field f = read_field(in);
    const char* rest = in;
    bool repeated = false;
    for (size_t j = i + 1; j < count && !repeated; j++) repeated = read_field(rest).key == f.key;
    if (!repeated) key_value(w, field, f);
  }
}

uint32_t severity_number(Level level) {
  constexpr uint32_t kNumbers[] = {1, 5, 9, 13, 17, 21};
  auto i = static_cast<size_t>(level);
  return i < 6 ? kNumbers[i] : 0;
}

std::string_view severity_text(Level level) {
  constexpr std::string_view kTexts[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
  auto i = static_cast<size_t>(level);
  return i < 6 ? kTexts[i] : "";
}

}  // namespace

void append_otlp_span(std::string& out, const SpanHead& head, const char* body) {
  SpanView span = view_span(head, body);
  ProtoWriter w(out);
  w.message(2, [&] {
    w.id(1, head.trace_high, head.trace_low);
    w.id(2, head.span_id);
    if (!span.state.empty()) w.text(3, span.state);
    if (head.parent_span_id != 0) w.id(4, head.parent_span_id);
    w.text(5, span.name);
    w.varint(6, head.kind);
    w.fixed64(7, static_cast<uint64_t>(head.start_unix_ns));
    w.fixed64(8, static_cast<uint64_t>(head.end_unix_ns));
    each_attribute(span, [&](const Field& f) { key_value(w, 9, f); });
    if (head.dropped_attributes != 0) w.varint(10, head.dropped_attributes);
    each_item(span, SpanItem::kEvent, [&](const char* in, uint32_t) {
      EventHead event;
      std::memcpy(&event, in, sizeof event);
      in += sizeof event;
      w.message(11, [&] {
        w.fixed64(1, static_cast<uint64_t>(event.unix_ns));
        w.text(2, {in, event.name_size});
        key_values(w, 3, in + event.name_size, event.field_count);
      });
    });
    if (head.dropped_events != 0) w.varint(12, head.dropped_events);
    each_item(span, SpanItem::kLink, [&](const char* in, uint32_t) {
      LinkHead link;
      std::memcpy(&link, in, sizeof link);
      w.message(13, [&] {
        w.id(1, link.trace_high, link.trace_low);
        w.id(2, link.span_id);
        w.fixed32(6, link.flags);
      });
    });
    if (head.status != 0) {
      w.message(15, [&] {
        if (!span.status_text.empty()) w.text(2, span.status_text);
        w.varint(3, head.status);
      });
    }
    // Bit 8: whether the parent is remote is known; bit 9: it is.
    uint32_t flags = head.flags | 0x100u | (head.parent_remote ? 0x200u : 0u);
    w.fixed32(16, flags);
  });
}

void append_otlp_log(std::string& out, const LogHead& head, const char* body, int64_t observed_unix_ns) {
  std::string_view message(head.message != nullptr ? head.message : body, head.message_size);
  if (head.message == nullptr) body += head.message_size;
  auto level = static_cast<Level>(head.level);
  ProtoWriter w(out);
  w.message(2, [&] {
    w.fixed64(1, static_cast<uint64_t>(head.unix_ns));
    w.varint(2, severity_number(level));
    w.text(3, severity_text(level));
    w.message(5, [&] { w.text(1, message); });
    key_value(w, 6, Field("code.file.path", head.file));
    key_value(w, 6, Field("code.line.number", head.line));
    key_value(w, 6, Field("thread.id", head.thread_id));
    key_values(w, 6, body, head.field_count);
    if (head.span_id != 0) {
      w.fixed32(8, head.trace_flags);
      w.id(9, head.trace_high, head.trace_low);
      w.id(10, head.span_id);
    }
    w.fixed64(11, static_cast<uint64_t>(observed_unix_ns));
  });
}

std::string otlp_request(const Resource& resource, const Scopes& scopes) {
  std::string out;
  size_t size = 1024;
  for (const auto& [name, elements] : scopes) size += elements.size() + name.size() + 64;
  out.reserve(size);
  ProtoWriter w(out);
  w.message(1, [&] {
    w.message(1, [&] {
      for (const auto& [key, value] : resource.attributes) key_value(w, 1, Field(key, value));
    });
    for (const auto& [name, elements] : scopes) {
      w.message(2, [&] {
        w.message(1, [&] { w.text(1, name); });
        out += elements;
      });
    }
  });
  return out;
}

}  // namespace sonde::inline v1::detail
