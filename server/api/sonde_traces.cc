#include "api/sonde_traces.h"

#include <algorithm>
#include <set>

#include "api/sonde_metrics.h"
#include "api/sonde_parameters.h"

namespace sonde::api {

namespace {

constexpr size_t kTracesMax = 1000;
constexpr size_t kTraceSpansMax = 20'000;
constexpr size_t kTraceLogsMax = 1000;
constexpr size_t kTagsMax = 20;
constexpr size_t kSlowSample = 200;  // traces looked at in a round of a search for the slowest
constexpr int kSlowRounds = 6;       // each leaves about a twentieth of the rest

const char* status_text(SpanStatus status) {
  switch (status) {
    case SpanStatus::kOk:
      return "ok";
    case SpanStatus::kError:
      return "error";
    case SpanStatus::kUnset:
      break;
  }
  return "unset";
}

void write_span(wire::JsonWriter& w, const Span& s, EventTime begin) {
  w.begin_object();
  w.field("span_id", s.span_id.to_hex());
  w.field("parent_id", s.parent_id.empty() ? std::string() : s.parent_id.to_hex());
  w.field("service", s.service);
  w.field("name", s.name);
  w.field("kind", to_string(s.kind));
  add_number(w, "start", (s.start - begin).to_seconds());
  add_number(w, "duration", s.duration().to_seconds());
  w.field("status", status_text(s.status));
  w.field("status_message", s.status_message);
  add_attributes(w, "attributes", s.attributes);
  w.key("events").begin_array();
  for (const auto& e : s.events) {
    w.begin_object();
    add_number(w, "t", (e.time - begin).to_seconds());
    w.field("name", e.name);
    add_attributes(w, "attributes", e.attributes);
    w.end_object();
  }
  w.end_array();
  add_attributes(w, "resource", s.resource ? *s.resource : Attributes{});
  w.end_object();
}

std::string level_of(const LogRecord& r) {
  std::string_view level = string_attribute(r.attributes, "detected_level");
  if (level.empty()) level = r.stream.get("level");
  if (level.empty()) level = r.severity_text;
  std::string out(level);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

void write_log(wire::JsonWriter& w, const LogRecord& r) {
  w.begin_object();
  add_number(w, "t", to_seconds(r.time));
  w.field("level", level_of(r));
  w.field("service", service_of(r.stream));
  w.field("message", r.line);
  w.field("span_id", r.span_id.empty() ? std::string() : r.span_id.to_hex());
  add_attributes(w, "fields", r.attributes);
  w.end_object();
}

}  // namespace

void write_trace_row(wire::JsonWriter& w, const storage::TraceSummary& t) {
  w.begin_object();
  w.field("trace_id", t.trace_id.to_hex());
  w.field("root_service", t.root_service);
  w.field("root_name", t.root_name);
  add_number(w, "start", to_seconds(t.start));
  add_number(w, "duration", t.duration.to_seconds());
  add_count(w, "span_count", t.span_count);
  add_count(w, "error_count", t.error_count);
  w.key("services").begin_array();
  for (const auto& [name, count] : t.services) {
    w.begin_array().string(name).unsigned_integer(count).end_array();
  }
  w.end_array();
  w.end_object();
}

Result<SlowestTraces> slowest_traces(const SondeContext& context, const Cancellation& cancel,
                                     storage::SpanSearch search) {
  size_t wanted = search.limit;
  search.limit = std::max(kSlowSample, wanted * 4);
  SlowestTraces out;
  std::set<TraceId> listed;
  auto slower = [](const auto& a, const auto& b) { return a.duration > b.duration; };
  for (int round = 0; round < kSlowRounds; round++) {
    SONDE_TRY(auto found, context.spans.search({}, search, cancel));
    bool all = found.size() < search.limit;
    for (auto& t : found) {
      if (listed.insert(t.trace_id).second) out.traces.push_back(std::move(t));
    }
    std::stable_sort(out.traces.begin(), out.traces.end(), slower);
    if (out.traces.size() > wanted) {
      out.truncated = true;
      for (size_t i = wanted; i < out.traces.size(); i++) listed.erase(out.traces[i].trace_id);
      out.traces.resize(wanted);
    }
    if (all || out.traces.empty() || out.traces.back().duration <= search.min_duration) break;
    search.min_duration = out.traces.back().duration;
    if (search.max_duration.ns > 0 && search.min_duration > search.max_duration) break;
  }
  return out;
}

Result<std::string> traces_json(const SondeContext& context, const Cancellation& cancel,
                                const net::Params& params) {
  SONDE_TRY(Window window, window_of(params, context.clock));
  storage::SpanSearch search;
  search.service = params.get_or("service", "");
  search.operation = params.get_or("operation", "");
  for (std::string_view tag : params.all("tags")) {
    if (tag.empty()) continue;
    size_t at = tag.find('=');
    if (at == std::string_view::npos || at == 0) {
      return fail(ErrorCode::kInvalid, "parameter tags: \"" + std::string(tag) + "\" is not key=value");
    }
    if (search.tags.size() == kTagsMax) return fail(ErrorCode::kInvalid, "parameter tags: more than 20");
    search.tags.emplace_back(tag.substr(0, at), tag.substr(at + 1));
  }
  SONDE_TRY(search.min_duration, seconds_of(params, "min_duration"));
  SONDE_TRY(search.max_duration, seconds_of(params, "max_duration"));
  SONDE_TRY(search.limit, limit_of(params, 50, kTracesMax));
  search.errors_only = flag_of(params, "errors");
  search.from = window.from();
  search.to = window.to();
  std::string_view order = params.get_or("order", "time");
  if (order != "time" && order != "duration") {
    return fail(ErrorCode::kInvalid, "parameter order: neither \"time\" nor \"duration\"");
  }
  std::vector<storage::TraceSummary> traces;
  bool truncated = false;
  if (order == "duration") {
    SONDE_TRY(auto slowest, slowest_traces(context, cancel, std::move(search)));
    traces = std::move(slowest.traces);
    truncated = slowest.truncated;
  } else {
    size_t limit = search.limit++;  // one more tells whether there are more
    SONDE_TRY(traces, context.spans.search({}, search, cancel));
    truncated = traces.size() > limit;
    if (truncated) traces.resize(limit);
  }
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("traces").begin_array();
  for (const auto& t : traces) write_trace_row(w, t);
  w.end_array();
  w.field("truncated", truncated);
  w.end_object();
  return out;
}

Result<std::string> trace_json(const SondeContext& context, const Cancellation& cancel,
                               std::string_view text) {
  auto id = TraceId::from_hex(text);
  if (!id || id->empty()) return fail(ErrorCode::kInvalid, "\"" + std::string(text) + "\" is not a trace id");
  SONDE_TRY(auto spans, context.spans.trace({}, *id, cancel));
  if (spans.empty()) return fail(ErrorCode::kNotFound, "no span of trace " + id->to_hex() + " is stored");
  EventTime begin = spans.front().start;
  EventTime end = begin;
  std::set<std::string> services;
  for (const auto& s : spans) {
    begin = std::min(begin, s.start);
    end = std::max(end, s.end);
    services.insert(s.service);
  }
  // Clocks of several machines wrote the spans and the lines.
  storage::LogSelect select;
  select.from = begin - Duration::minutes(5);
  select.to = end + Duration::minutes(5);
  select.direction = storage::Direction::kForward;
  select.trace_id = *id;
  SONDE_TRY(auto cursor, context.logs.select_logs({}, select, cancel));

  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.field("trace_id", id->to_hex());
  add_number(w, "start", to_seconds(begin));
  add_number(w, "duration", (end - begin).to_seconds());
  add_strings(w, "services", {services.begin(), services.end()});
  w.key("spans").begin_array();
  for (size_t i = 0; i < spans.size() && i < kTraceSpansMax; i++) write_span(w, spans[i], begin);
  w.end_array();
  w.key("logs").begin_array();
  bool more_logs = false;
  const LogRecord* record = nullptr;
  for (size_t count = 0;; count++) {
    SONDE_TRY(bool more, cursor->next(record));
    if (!more) break;
    if (count == kTraceLogsMax) {
      more_logs = true;
      break;
    }
    write_log(w, *record);
  }
  w.end_array();
  if (more_logs || spans.size() > kTraceSpansMax) w.field("truncated", true);
  w.end_object();
  return out;
}

}  // namespace sonde::api
