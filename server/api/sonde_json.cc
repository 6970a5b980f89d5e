#include "api/sonde_json.h"

#include <boost/json.hpp>
#include <cmath>

#include "base/rfc3339.h"

namespace sonde::api {

namespace json = boost::json;

namespace {

constexpr int kAttributeDepthMax = 32;
constexpr size_t kLabelsJsonBytesMax = 64 << 10;

void write_attributes(wire::JsonWriter& w, const Attributes& attributes, int depth);

void write_attribute(wire::JsonWriter& w, const AttributeValue& value, int depth) {
  const auto& v = value.variant();
  if (const auto* b = std::get_if<bool>(&v)) {
    w.boolean(*b);
  } else if (const auto* i = std::get_if<int64_t>(&v)) {
    // Beyond 2^53 a browser would round it.
    if (*i > (int64_t{1} << 53) || *i < -(int64_t{1} << 53)) {
      w.integer_string(*i);
    } else {
      w.integer(*i);
    }
  } else if (const auto* d = std::get_if<double>(&v)) {
    w.number(*d);
  } else if (const auto* s = std::get_if<std::string>(&v)) {
    w.string(*s);
  } else if (value.is_empty()) {
    w.null();
  } else if (const auto* list = std::get_if<AttributeArray>(&v); list && depth < kAttributeDepthMax) {
    w.begin_array();
    for (const auto& item : *list) write_attribute(w, item, depth + 1);
    w.end_array();
  } else if (const auto* map = std::get_if<Attributes>(&v); map && depth < kAttributeDepthMax) {
    write_attributes(w, *map, depth + 1);
  } else {
    w.string(value.to_text());
  }
}

void write_attributes(wire::JsonWriter& w, const Attributes& attributes, int depth) {
  w.begin_object();
  for (const auto& [name, value] : attributes) {
    w.key(name);
    write_attribute(w, value, depth);
  }
  w.end_object();
}

std::string text_of(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains(name);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

LabelSet labels_of(const json::object& o, std::string_view name) {
  std::vector<std::pair<std::string, std::string>> out;
  const json::value* v = o.if_contains(name);
  if (v && v->is_object()) {
    for (const auto& [key, text] : v->get_object()) {
      if (text.is_string()) out.emplace_back(std::string(key), std::string(text.get_string()));
    }
  }
  return LabelSet::from(std::move(out));
}

EventTime time_of(const json::object& o, std::string_view name) {
  // Go's zero time lies before the years that we can say: it reads as 0.
  return parse_rfc3339(text_of(o, name)).value_or(EventTime{});
}

}  // namespace

void add_number(wire::JsonWriter& w, std::string_view name, double v) {
  w.key(name);
  if (std::isfinite(v)) {
    w.number(v);
  } else {
    w.null();
  }
}

void add_count(wire::JsonWriter& w, std::string_view name, uint64_t v) { w.key(name).unsigned_integer(v); }

void add_labels(wire::JsonWriter& w, std::string_view name, const LabelSet& labels) {
  w.key(name).begin_object();
  for (const LabelView& l : labels) w.field(l.name, l.value);
  w.end_object();
}

void add_strings(wire::JsonWriter& w, std::string_view name, const std::vector<std::string>& list) {
  w.key(name).begin_array();
  for (const auto& text : list) w.string(text);
  w.end_array();
}

void add_points(wire::JsonWriter& w, std::string_view name, const Points& points) {
  w.key(name).begin_array();
  for (const auto& [t, v] : points) {
    if (std::isfinite(v)) w.begin_array().number(to_seconds(t)).number(v).end_array();
  }
  w.end_array();
}

void add_attributes(wire::JsonWriter& w, std::string_view name, const Attributes& attributes) {
  w.key(name);
  write_attributes(w, attributes, 0);
}

Result<LabelSet> labels_from_json(std::string_view text) {
  if (text.size() > kLabelsJsonBytesMax) return fail(ErrorCode::kInvalid, "labels: more than 64 KiB");
  boost::system::error_code error;
  json::value v = json::parse(text, error);
  if (error || !v.is_object()) return fail(ErrorCode::kInvalid, "labels: not a JSON object");
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [key, value] : v.get_object()) {
    if (!value.is_string()) {
      return fail(ErrorCode::kInvalid, "labels: the value of \"" + std::string(key) + "\" is not text");
    }
    out.emplace_back(std::string(key), std::string(value.get_string()));
  }
  return LabelSet::from(std::move(out));
}

Payload read_payload(std::string_view text) {
  Payload out;
  boost::system::error_code error;
  json::value v = json::parse(text, error);
  if (error || !v.is_object()) return out;
  const json::object& o = v.get_object();
  out.labels = labels_of(o, "commonLabels");
  out.annotations = labels_of(o, "commonAnnotations");
  const json::value* alerts = o.if_contains("alerts");
  if (!alerts || !alerts->is_array()) return out;
  for (const json::value& item : alerts->get_array()) {
    if (!item.is_object()) continue;
    const json::object& a = item.get_object();
    out.alerts.push_back({labels_of(a, "labels"), labels_of(a, "annotations"), text_of(a, "status"),
                          time_of(a, "startsAt"), time_of(a, "endsAt")});
  }
  return out;
}

}  // namespace sonde::api
