// Values of the model in the JSON of sonde's own API: times and durations are seconds, what is not a number
// is null.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "model/attributes.h"
#include "model/labels.h"
#include "wire/json_writer.h"

namespace sonde::api {

using Points = std::vector<std::pair<Timestamp, double>>;

inline double to_seconds(Timestamp t) { return static_cast<double>(t.ms) / 1000; }
inline double to_seconds(EventTime t) { return static_cast<double>(t.ns) / 1e9; }

// Null unless finite.
void add_number(wire::JsonWriter& w, std::string_view name, double v);
void add_count(wire::JsonWriter& w, std::string_view name, uint64_t v);
void add_labels(wire::JsonWriter& w, std::string_view name, const LabelSet& labels);
void add_strings(wire::JsonWriter& w, std::string_view name, const std::vector<std::string>& list);
// [[t, v], …] without the points that are not finite.
void add_points(wire::JsonWriter& w, std::string_view name, const Points& points);
void add_attributes(wire::JsonWriter& w, std::string_view name, const Attributes& attributes);

// {"name": "value", …} with text values. kInvalid otherwise; at most 64 KiB.
Result<LabelSet> labels_from_json(std::string_view json);

// What a stored notification carries: the alerts of its webhook payload.
struct PayloadAlert {
  LabelSet labels;
  LabelSet annotations;
  std::string status;  // "firing" or "resolved"
  EventTime starts_at;
  EventTime ends_at;  // 0: not ended
};
struct Payload {
  LabelSet labels;       // of all alerts
  LabelSet annotations;  // of all alerts
  std::vector<PayloadAlert> alerts;
};
// Empty where the payload cannot be read: the message is worth showing without it.
Payload read_payload(std::string_view json);

}  // namespace sonde::api
