// Answers to export requests, and requests of our own.
#include <protozero/pbf_writer.hpp>

#include "wire/json_writer.h"
#include "wire/otlp.h"

namespace sonde::wire {
namespace {

using protozero::pbf_writer;

template <class Id>
void put_id(pbf_writer& w, uint32_t tag, const Id& id) {
  if (!id.empty()) w.add_bytes(tag, reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
}

void put_value(pbf_writer& w, const AttributeValue& value);

// Recursion is as deep as the value, which the decoders bound.
void put_attribute(pbf_writer& w, uint32_t tag, const std::string& key, const AttributeValue& value) {
  pbf_writer kv(w, tag);
  kv.add_string(1, key);
  pbf_writer any(kv, 2);
  put_value(any, value);
}

void put_attributes(pbf_writer& w, uint32_t tag, const Attributes& attributes) {
  for (const auto& [key, value] : attributes) put_attribute(w, tag, key, value);
}

void put_value(pbf_writer& w, const AttributeValue& value) {
  struct Visitor {
    pbf_writer& w;
    void operator()(std::monostate) const {}
    void operator()(bool v) const { w.add_bool(2, v); }
    void operator()(int64_t v) const { w.add_int64(3, v); }
    void operator()(double v) const { w.add_double(4, v); }
    void operator()(const std::string& v) const { w.add_string(1, v); }
    void operator()(const Bytes& v) const { w.add_bytes(7, v.data); }
    // Through strings of their own: a writer in a writer takes empty messages back.
    void operator()(const AttributeArray& v) const {
      std::string list;
      pbf_writer items(list);
      for (const AttributeValue& item : v) {
        std::string any;
        pbf_writer element(any);
        put_value(element, item);
        items.add_message(1, any);
      }
      w.add_message(5, list);
    }
    void operator()(const Attributes& v) const {
      std::string list;
      pbf_writer items(list);
      put_attributes(items, 1, v);
      w.add_message(6, list);
    }
  };
  std::visit(Visitor{w}, value.variant());
}

void put_resource(pbf_writer& w, const std::shared_ptr<const Attributes>& resource) {
  if (!resource) return;
  pbf_writer r(w, 1);
  put_attributes(r, 1, *resource);
}

void put_scope(pbf_writer& w, const InstrumentationScope& scope) {
  if (scope == InstrumentationScope{}) return;
  pbf_writer s(w, 1);
  s.add_string(1, scope.name);
  s.add_string(2, scope.version);
}

void put(pbf_writer& w, const Span& s) {
  put_id(w, 1, s.trace_id);
  put_id(w, 2, s.span_id);
  if (!s.trace_state.empty()) w.add_string(3, s.trace_state);
  put_id(w, 4, s.parent_id);
  w.add_string(5, s.name);
  w.add_enum(6, static_cast<int>(s.kind));
  w.add_fixed64(7, static_cast<uint64_t>(s.start.ns));
  w.add_fixed64(8, static_cast<uint64_t>(s.end.ns));
  put_attributes(w, 9, s.attributes);
  for (const SpanEvent& e : s.events) {
    pbf_writer event(w, 11);
    event.add_fixed64(1, static_cast<uint64_t>(e.time.ns));
    event.add_string(2, e.name);
    put_attributes(event, 3, e.attributes);
  }
  for (const SpanLink& l : s.links) {
    pbf_writer link(w, 13);
    put_id(link, 1, l.trace_id);
    put_id(link, 2, l.span_id);
    put_attributes(link, 4, l.attributes);
  }
  if (s.status != SpanStatus::kUnset || !s.status_message.empty()) {
    pbf_writer status(w, 15);
    if (!s.status_message.empty()) status.add_string(2, s.status_message);
    status.add_enum(3, static_cast<int>(s.status));
  }
  if (s.flags != 0) w.add_fixed32(16, s.flags);
}

void put(pbf_writer& w, const LogRecord& r) {
  w.add_fixed64(1, static_cast<uint64_t>(r.time.ns));
  if (r.severity_number != 0) w.add_enum(2, r.severity_number);
  if (!r.severity_text.empty()) w.add_string(3, r.severity_text);
  {
    pbf_writer body(w, 5);
    body.add_string(1, r.line);
  }
  put_attributes(w, 6, r.attributes);
  if (r.flags != 0) w.add_fixed32(8, r.flags);
  put_id(w, 9, r.trace_id);
  put_id(w, 10, r.span_id);
  if (r.observed.ns != 0) w.add_fixed64(11, static_cast<uint64_t>(r.observed.ns));
  if (!r.event_name.empty()) w.add_string(12, r.event_name);
}

// One resource group for each run of items that share a resource, one scope group for each run within it.
template <class Item>
std::string encode_groups(const std::vector<Item>& items) {
  std::string out;
  pbf_writer request(out);
  for (size_t i = 0; i < items.size();) {
    pbf_writer of_resource(request, 1);
    auto resource = items[i].resource;
    put_resource(of_resource, resource);
    while (i < items.size() && items[i].resource == resource) {
      pbf_writer of_scope(of_resource, 2);
      InstrumentationScope scope = items[i].scope;
      put_scope(of_scope, scope);
      for (; i < items.size() && items[i].resource == resource && items[i].scope == scope; i++) {
        pbf_writer item(of_scope, 2);
        put(item, items[i]);
      }
    }
  }
  return out;
}

}  // namespace

std::string encode_otlp_traces(const std::vector<Span>& spans) { return encode_groups(spans); }
std::string encode_otlp_logs(const std::vector<LogRecord>& records) { return encode_groups(records); }

std::string encode_otlp_response(OtlpSignal signal, OtlpEncoding encoding, size_t rejected,
                                 std::string_view message) {
  std::string out;
  bool partial = rejected > 0 || !message.empty();
  if (encoding == OtlpEncoding::kProtobuf) {
    if (!partial) return out;
    pbf_writer response(out);
    pbf_writer success(response, 1);
    if (rejected > 0) success.add_int64(1, static_cast<int64_t>(rejected));
    if (!message.empty()) success.add_string(2, message.data(), message.size());
    return out;
  }
  JsonWriter json(out);
  json.begin_object();
  if (partial) {
    const char* name = signal == OtlpSignal::kTraces ? "rejectedSpans"
                       : signal == OtlpSignal::kLogs ? "rejectedLogRecords"
                                                     : "rejectedDataPoints";
    json.key("partialSuccess").begin_object();
    if (rejected > 0) json.key(name).integer_string(static_cast<int64_t>(rejected));
    if (!message.empty()) json.field("errorMessage", message);
    json.end_object();
  }
  json.end_object();
  return out;
}

std::string encode_rpc_status(OtlpEncoding encoding, int code, std::string_view message) {
  std::string out;
  if (encoding == OtlpEncoding::kProtobuf) {
    pbf_writer status(out);
    status.add_int32(1, code);
    status.add_string(2, message.data(), message.size());
    return out;
  }
  JsonWriter(out).begin_object().field("code", int64_t{code}).field("message", message).end_object();
  return out;
}

}  // namespace sonde::wire
