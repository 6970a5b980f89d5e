#include "wire/jaeger.h"

#include <map>

namespace sonde::wire {
namespace {

// What JavaScript reads exactly; beyond it Jaeger writes strings.
constexpr int64_t kSafeInteger = (int64_t{1} << 53) - 1;

void begin_envelope(JsonWriter& json) { json.begin_object().key("data").begin_array(); }

void end_envelope(JsonWriter& json, size_t total) {
  json.end_array();
  json.field("total", static_cast<int64_t>(total)).field("limit", int64_t{0}).field("offset", int64_t{0});
  json.key("errors").null();
  json.end_object();
}

void write_tag(JsonWriter& json, std::string_view key, const AttributeValue& value) {
  json.begin_object().field("key", key);
  if (const bool* b = std::get_if<bool>(&value.variant())) {
    json.field("type", "bool").field("value", *b);
  } else if (const int64_t* i = std::get_if<int64_t>(&value.variant())) {
    json.field("type", "int64").key("value");
    if (*i > kSafeInteger || *i < -kSafeInteger) {
      json.integer_string(*i);
    } else {
      json.integer(*i);
    }
  } else if (const double* d = std::get_if<double>(&value.variant())) {
    json.field("type", "float64").key("value").number(*d);
  } else if (std::holds_alternative<Bytes>(value.variant())) {
    json.field("type", "binary").field("value", std::string_view(value.to_text()));
  } else {
    json.field("type", "string").field("value", std::string_view(value.to_text()));
  }
  json.end_object();
}

void write_reference(JsonWriter& json, const char* type, const TraceId& trace, const SpanId& span) {
  json.begin_object().field("refType", type);
  json.field("traceID", std::string_view(trace.to_hex())).field("spanID", std::string_view(span.to_hex()));
  json.end_object();
}

void write_tags(JsonWriter& json, const Span& s) {
  json.key("tags").begin_array();
  for (const auto& [key, value] : s.attributes) write_tag(json, key, value);
  if (s.kind != SpanKind::kUnspecified) write_tag(json, "span.kind", to_string(s.kind));
  if (s.status == SpanStatus::kError) {
    write_tag(json, "otel.status_code", "ERROR");
    if (find_attribute(s.attributes, "error") == nullptr) write_tag(json, "error", true);
  } else if (s.status == SpanStatus::kOk) {
    write_tag(json, "otel.status_code", "OK");
  }
  if (!s.status_message.empty()) write_tag(json, "otel.status_description", s.status_message);
  if (!s.scope.name.empty()) write_tag(json, "otel.scope.name", s.scope.name);
  if (!s.scope.version.empty()) write_tag(json, "otel.scope.version", s.scope.version);
  if (!s.trace_state.empty()) write_tag(json, "w3c.tracestate", s.trace_state);
  json.end_array();
}

void write_span(JsonWriter& json, const Span& s, std::string_view process) {
  json.begin_object();
  json.field("traceID", std::string_view(s.trace_id.to_hex()))
      .field("spanID", std::string_view(s.span_id.to_hex()));
  json.field("flags", static_cast<int64_t>(s.flags & 0xff));
  json.field("operationName", std::string_view(s.name));
  json.key("references").begin_array();
  if (!s.parent_id.empty()) write_reference(json, "CHILD_OF", s.trace_id, s.parent_id);
  for (const SpanLink& l : s.links) write_reference(json, "FOLLOWS_FROM", l.trace_id, l.span_id);
  json.end_array();
  json.field("startTime", s.start.ns / 1000).field("duration", s.duration().ns / 1000);
  write_tags(json, s);
  json.key("logs").begin_array();
  for (const SpanEvent& e : s.events) {
    json.begin_object().field("timestamp", e.time.ns / 1000).key("fields").begin_array();
    if (!e.name.empty()) write_tag(json, "event", e.name);
    for (const auto& [key, value] : e.attributes) write_tag(json, key, value);
    json.end_array().end_object();
  }
  json.end_array();
  json.field("processID", process);
  json.key("warnings").null();
  json.end_object();
}

std::string process_json(const Span& s) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("serviceName", std::string_view(s.service)).key("tags").begin_array();
  if (s.resource) {
    for (const auto& [key, value] : *s.resource) {
      if (key != "service.name") write_tag(json, key, value);
    }
  }
  json.end_array().end_object();
  return out;
}

}  // namespace

std::string encode_jaeger_strings(const std::vector<std::string>& names) {
  std::string out;
  JsonWriter json(out);
  begin_envelope(json);
  for (const std::string& n : names) json.string(n);
  end_envelope(json, names.size());
  return out;
}

std::string encode_jaeger_operations(const std::vector<JaegerOperation>& operations) {
  std::string out;
  JsonWriter json(out);
  begin_envelope(json);
  for (const JaegerOperation& o : operations) {
    json.begin_object()
        .field("name", std::string_view(o.name))
        .field("spanKind", std::string_view(o.span_kind));
    json.end_object();
  }
  end_envelope(json, operations.size());
  return out;
}

void write_jaeger_trace(JsonWriter& json, std::span<const Span> spans) {
  // Spans of one resource object share a process; so do equal resources that came in separate requests.
  std::map<std::pair<const Attributes*, std::string_view>, std::string> by_resource;
  std::map<std::string, std::string> by_content;
  std::vector<std::pair<std::string_view, std::string_view>> in_order;  // process id, JSON
  auto process_of = [&](const Span& s) -> const std::string& {
    auto [known, fresh] = by_resource.try_emplace({s.resource.get(), s.service});
    if (fresh) {
      auto [it, first] = by_content.try_emplace(process_json(s), "p" + std::to_string(by_content.size() + 1));
      if (first) in_order.emplace_back(it->second, it->first);
      known->second = it->second;
    }
    return known->second;
  };
  json.begin_object();
  json.field("traceID", std::string_view(spans.empty() ? std::string() : spans[0].trace_id.to_hex()));
  json.key("spans").begin_array();
  for (const Span& s : spans) write_span(json, s, process_of(s));
  json.end_array().key("processes").begin_object();
  for (const auto& [id, content] : in_order) json.key(id).raw(content);
  json.end_object().key("warnings").null();
  json.end_object();
}

std::string encode_jaeger_traces(std::span<const std::vector<Span>> traces) {
  std::string out;
  JsonWriter json(out);
  begin_envelope(json);
  for (const std::vector<Span>& spans : traces) write_jaeger_trace(json, spans);
  end_envelope(json, traces.size());
  return out;
}

std::string encode_jaeger_dependencies(const std::vector<JaegerDependency>& dependencies) {
  std::string out;
  JsonWriter json(out);
  begin_envelope(json);
  for (const JaegerDependency& d : dependencies) {
    json.begin_object().field("parent", std::string_view(d.parent)).field("child", std::string_view(d.child));
    json.key("callCount").unsigned_integer(d.call_count);
    json.end_object();
  }
  end_envelope(json, dependencies.size());
  return out;
}

std::string encode_jaeger_error(int code, std::string_view message) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("data").null();
  json.field("total", int64_t{0}).field("limit", int64_t{0}).field("offset", int64_t{0});
  json.key("errors").begin_array().begin_object().field("code", int64_t{code}).field("msg", message);
  json.end_object().end_array().end_object();
  return out;
}

}  // namespace sonde::wire
