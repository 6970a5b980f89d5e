#include "api/loki_api.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "base/rfc3339.h"
#include "logql/parser.h"
#include "logql/quantity.h"
#include "wire/json_writer.h"
#include "wire/loki.h"
#include "wire/prometheus_json.h"

namespace sonde::api {
namespace {

using net::Params;
using net::Request;
using net::ResponseWriter;
using ContextPtr = std::shared_ptr<const LokiApiContext>;
using WriterPtr = std::shared_ptr<ResponseWriter>;

constexpr std::string_view kJson = "application/json; charset=UTF-8";
constexpr size_t kChunk = 64 << 10;
constexpr size_t kLimitDefault = 100;
constexpr double kTimeMaxSeconds = 4e9;  // until 2096: differences and sums of two stay within 64 bits

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
    case ErrorCode::kUnsupported:
    case ErrorCode::kLimit:
    case ErrorCode::kConflict:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kCancelled:
      return 499;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kTimeout:
      return 504;
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
    case ErrorCode::kNoSpace:
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

// --- Parameters ---

std::unexpected<Error> invalid(std::string_view name, std::string_view text, std::string_view expected) {
  return fail(ErrorCode::kInvalid, "invalid parameter " + std::string(name) + ": " +
                                       quote(text.substr(0, 128)) + " is not " + std::string(expected));
}

// Nanoseconds (more than ten digits), seconds with or without a fraction, or RFC 3339.
Result<EventTime> time_parameter(const Params& params, std::string_view name, EventTime fallback) {
  std::string_view text = params.get_or(name, "");
  if (text.empty()) return fallback;
  int64_t n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error == std::errc() && end == text.data() + text.size()) {
    // So that differences of times stay within 64 bits.
    double ns = static_cast<double>(n) * (text.size() > 10 ? 1 : 1e9);
    if (std::abs(ns) > kTimeMaxSeconds * 1e9) return invalid(name, text, "a time near enough to now");
    return EventTime{text.size() > 10 ? n : n * 1'000'000'000};
  }
  if (auto seconds = logql::parse_number(text); seconds && std::abs(*seconds) <= kTimeMaxSeconds) {
    double whole = 0, fraction = std::modf(*seconds, &whole);
    return EventTime{static_cast<int64_t>(whole) * 1'000'000'000 + std::llround(fraction * 1e3) * 1'000'000};
  }
  if (auto t = parse_rfc3339(text); t && std::abs(static_cast<double>(t->ns)) <= kTimeMaxSeconds * 1e9)
    return *t;
  return invalid(name, text, "a time");
}

// Seconds with a fraction, or 1m30s.
Result<std::optional<Duration>> duration_parameter(const Params& params, std::string_view name) {
  std::string_view text = params.get_or(name, "");
  if (text.empty()) return std::nullopt;
  if (auto seconds = logql::parse_number(text); seconds && std::abs(*seconds) <= kTimeMaxSeconds) {
    return Duration{std::llround(*seconds * 1e9)};
  }
  if (auto ns = logql::parse_duration_ns(text);
      ns && std::abs(*ns) <= static_cast<int64_t>(kTimeMaxSeconds * 1e9)) {
    return Duration{*ns};
  }
  return invalid(name, text, "a duration");
}

struct TimeRange {
  EventTime from;
  EventTime to;
};

Result<TimeRange> range_parameters(const Params& params, const Clock& clock, Duration since) {
  EventTime now = clock.now();
  TimeRange range;
  SONDE_TRY(range.to, time_parameter(params, "end", now));
  SONDE_TRY(std::optional<Duration> given, duration_parameter(params, "since"));
  SONDE_TRY(range.from, time_parameter(params, "start", std::min(range.to, now) - given.value_or(since)));
  if (range.to < range.from) {
    return fail(ErrorCode::kInvalid, "end timestamp must not be before or equal to start time");
  }
  return range;
}

Result<size_t> limit_parameter(const Params& params) {
  std::string_view text = params.get_or("limit", "");
  if (text.empty()) return kLimitDefault;
  size_t n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size())
    return invalid("limit", text, "a whole number");
  if (n == 0) return fail(ErrorCode::kInvalid, "limit must be a positive value");
  return n;
}

Result<storage::Direction> direction_parameter(const Params& params) {
  std::string text;
  for (char c : params.get_or("direction", "backward").substr(0, 16)) {
    text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (text == "backward") return storage::Direction::kBackward;
  if (text == "forward") return storage::Direction::kForward;
  return invalid("direction", text, "forward or backward");
}

// The conditions of an optional selector; empty without one.
Result<Matchers> selector_parameter(const Params& params, std::string_view name) {
  std::string_view text = params.get_or(name, "");
  if (text.empty()) return Matchers{};
  return logql::parse_selector(text);
}

bool wants_categories(const Request& request) {
  return request.headers.get("X-Loki-Response-Encoding-Flags").find("categorize-labels") !=
         std::string_view::npos;
}

// --- Answers ---

// Hands on what was written, chunk by chunk, so that a large answer is not held twice.
class Answer {
 public:
  explicit Answer(ResponseWriter& writer) : writer_(writer) {
    writer_.header("Content-Type", std::string(kJson));
  }
  std::string& buffer() { return buffer_; }
  // False when the peer is gone.
  bool drain(size_t above = kChunk) {
    if (buffer_.size() <= above) return true;
    bool sent = writer_.write(buffer_).has_value();
    buffer_.clear();
    return sent;
  }
  void finish() {
    if (drain(0)) writer_.finish();
  }

 private:
  ResponseWriter& writer_;
  std::string buffer_;
};

wire::LokiStats wire_stats(const logql::LogQueryResult& r) {
  wire::LokiStats s;
  s.exec_seconds = r.stats.seconds;
  s.bytes_processed = static_cast<int64_t>(r.stats.bytes_scanned);
  s.lines_processed = static_cast<int64_t>(r.stats.lines_scanned);
  s.entries_returned = static_cast<int64_t>(r.entries.size());
  return s;
}

LabelSet merged(const logql::LogEntry& e) {
  LabelBuilder b(e.stream);
  for (const auto& [name, value] : e.metadata) b.set(name, value);
  for (const auto& [name, value] : e.parsed) b.set(name, value);
  return b.build();
}

void write_streams(const logql::LogQueryResult& r, bool categorize, Answer& answer) {
  // Streams in order of their first entry.
  std::vector<std::pair<LabelSet, std::vector<const logql::LogEntry*>>> streams;
  std::unordered_map<LabelSet, size_t, LabelSetHash> index;
  for (const logql::LogEntry& e : r.entries) {
    LabelSet labels = categorize ? e.stream : merged(e);
    auto [it, fresh] = index.try_emplace(labels, streams.size());
    if (fresh) streams.emplace_back(labels, std::vector<const logql::LogEntry*>());
    streams[it->second].second.push_back(&e);
  }
  wire::LokiResultWriter out(answer.buffer(), wire::LokiResultWriter::Type::kStreams, categorize);
  for (const auto& [labels, entries] : streams) {
    out.begin_stream(labels);
    for (const logql::LogEntry* e : entries) {
      if (categorize) {
        out.entry(e->time, e->line, e->metadata, e->parsed);
      } else {
        out.entry(e->time, e->line);
      }
      if (!answer.drain()) return;
    }
    out.end_stream();
  }
  out.finish(wire_stats(r));
}

void write_matrix(const logql::LogQueryResult& r, Answer& answer) {
  wire::LokiResultWriter out(answer.buffer(), wire::LokiResultWriter::Type::kMatrix, false);
  for (const logql::LogSeries& s : r.series) {
    out.begin_series(s.labels);
    for (const auto& [t, v] : s.points) out.point(t, v);
    out.end_series();
    if (!answer.drain()) return;
  }
  out.finish(wire_stats(r));
}

void write_vector(const logql::LogQueryResult& r, Answer& answer) {
  wire::LokiResultWriter out(answer.buffer(), wire::LokiResultWriter::Type::kVector, false);
  for (const logql::LogSeries& s : r.series) out.sample(s.labels, s.points[0].first, s.points[0].second);
  out.finish(wire_stats(r));
}

void write_scalar(const logql::LogQueryResult& r, Answer& answer) {
  wire::JsonWriter json(answer.buffer());
  json.begin_object()
      .field("status", "success")
      .key("data")
      .begin_object()
      .field("resultType", "scalar")
      .key("result");
  wire::write_sample(json, {r.time, r.scalar});
  json.key("stats").begin_object().end_object().end_object().end_object();
}

void write_result(const Request& request, const WriterPtr& writer, const logql::LogQueryResult& r) {
  Answer answer(*writer);
  switch (r.type) {
    case logql::LogQueryResult::Type::kStreams:
      write_streams(r, wants_categories(request), answer);
      break;
    case logql::LogQueryResult::Type::kMatrix:
      write_matrix(r, answer);
      break;
    case logql::LogQueryResult::Type::kVector:
      write_vector(r, answer);
      break;
    case logql::LogQueryResult::Type::kScalar:
      write_scalar(r, answer);
      break;
  }
  answer.finish();
}

// --- Endpoints ---

storage::Scope scope_of(const LokiApiContext& c, const Request& request) {
  return c.scope ? c.scope(request) : storage::Scope{};
}

Result<> query_range(const LokiApiContext& c, Request& request, const Params& params,
                     const WriterPtr& writer) {
  SONDE_TRY(TimeRange range, range_parameters(params, c.clock, Duration::hours(1)));
  SONDE_TRY(std::optional<Duration> step, duration_parameter(params, "step"));
  SONDE_TRY(std::optional<Duration> interval, duration_parameter(params, "interval"));
  if (interval && interval->ns != 0)
    return fail(ErrorCode::kUnsupported, "the parameter interval is not supported yet");
  if (step && step->ns <= 0) {
    return fail(ErrorCode::kInvalid,
                "zero or negative query resolution step widths are not accepted. Try a positive integer");
  }
  SONDE_TRY(size_t limit, limit_parameter(params));
  SONDE_TRY(storage::Direction direction, direction_parameter(params));
  // Loki's default: some 250 points, in whole seconds.
  Duration fallback = Duration::seconds(std::max<int64_t>(1, (range.to - range.from).ns / 250'000'000'000));
  SONDE_TRY(logql::LogQueryResult r,
            c.engine.range(params.get_or("query", ""), range.from, range.to, step.value_or(fallback), limit,
                           direction, {scope_of(c, request), request.cancel}));
  write_result(request, writer, r);
  return {};
}

Result<> query(const LokiApiContext& c, Request& request, const Params& params, const WriterPtr& writer) {
  SONDE_TRY(EventTime t, time_parameter(params, "time", c.clock.now()));
  SONDE_TRY(logql::LogQueryResult r,
            c.engine.instant(params.get_or("query", ""), t, {scope_of(c, request), request.cancel}));
  write_result(request, writer, r);
  return {};
}

Result<std::vector<storage::LogStream>> streams_of(const LokiApiContext& c, const Request& request,
                                                   const std::vector<Matchers>& selectors, TimeRange range) {
  SONDE_TRY(auto streams, c.reader.log_streams(scope_of(c, request), selectors, range.from, range.to));
  if (streams.size() > c.streams_max) {
    return fail(ErrorCode::kLimit, "more than " + std::to_string(c.streams_max) +
                                       " streams: narrow the time range or the selector");
  }
  return streams;
}

Result<> labels(const LokiApiContext& c, Request& request, const Params& params, const WriterPtr& writer) {
  SONDE_TRY(TimeRange range, range_parameters(params, c.clock, Duration::hours(6)));
  SONDE_TRY(Matchers selector, selector_parameter(params, "query"));
  std::vector<std::string> names;
  if (selector.empty()) {
    SONDE_TRY(names, c.reader.log_label_names(scope_of(c, request), range.from, range.to));
  } else {
    SONDE_TRY(auto streams, streams_of(c, request, {selector}, range));
    std::set<std::string, std::less<>> found;
    for (const storage::LogStream& s : streams) {
      for (LabelView l : s.labels) found.emplace(l.name);
    }
    names.assign(found.begin(), found.end());
  }
  writer->send(200, kJson, wire::encode_loki_strings(names));
  return {};
}

Result<> label_values(const LokiApiContext& c, Request& request, const Params& params,
                      const WriterPtr& writer) {
  SONDE_TRY(TimeRange range, range_parameters(params, c.clock, Duration::hours(6)));
  SONDE_TRY(Matchers selector, selector_parameter(params, "query"));
  SONDE_TRY(auto values, c.reader.log_label_values(scope_of(c, request), request.path_param("name"), selector,
                                                   range.from, range.to));
  writer->send(200, kJson, wire::encode_loki_strings(values));
  return {};
}

Result<> series(const LokiApiContext& c, Request& request, const Params& params, const WriterPtr& writer) {
  SONDE_TRY(TimeRange range, range_parameters(params, c.clock, Duration::hours(6)));
  std::vector<Matchers> selectors;
  for (const char* name : {"match[]", "match"}) {
    for (std::string_view text : params.all(name)) {
      SONDE_TRY(Matchers m, logql::parse_selector(text));
      selectors.push_back(std::move(m));
    }
  }
  SONDE_TRY(auto streams, streams_of(c, request, selectors, range));
  std::vector<LabelSet> sets;
  for (storage::LogStream& s : streams) sets.push_back(std::move(s.labels));
  writer->send(200, kJson, wire::encode_loki_series(sets));
  return {};
}

Result<> index_stats(const LokiApiContext& c, Request& request, const Params& params,
                     const WriterPtr& writer) {
  SONDE_TRY(TimeRange range, range_parameters(params, c.clock, Duration::hours(1)));
  SONDE_TRY(Matchers selector, selector_parameter(params, "query"));
  SONDE_TRY(auto streams, streams_of(c, request, {selector}, range));
  uint64_t entries = 0, bytes = 0;
  for (const storage::LogStream& s : streams) {
    entries += s.records;
    bytes += s.bytes;
  }
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().key("streams").unsigned_integer(streams.size());
  // There are no chunks of one stream here; a stream counts as one.
  json.key("chunks").unsigned_integer(streams.size());
  json.key("entries").unsigned_integer(entries).key("bytes").unsigned_integer(bytes).end_object();
  writer->send(200, kJson, out);
  return {};
}

// Bytes by the labels asked for; without any, by those of the selector.
Result<> index_volume(const LokiApiContext& c, Request& request, const Params& params,
                      const WriterPtr& writer) {
  SONDE_TRY(TimeRange range, range_parameters(params, c.clock, Duration::hours(1)));
  SONDE_TRY(Matchers selector, selector_parameter(params, "query"));
  SONDE_TRY(size_t limit, limit_parameter(params));
  if (std::string_view by = params.get_or("aggregateBy", ""); !by.empty() && by != "series") {
    return fail(ErrorCode::kUnsupported,
                "aggregateBy=" + std::string(by.substr(0, 64)) + " is not supported yet");
  }
  std::vector<std::string> names;
  std::string_view targets = params.get_or("targetLabels", "");
  while (!targets.empty()) {
    size_t comma = std::min(targets.find(','), targets.size());
    if (comma > 0) names.emplace_back(targets.substr(0, comma));
    targets.remove_prefix(std::min(comma + 1, targets.size()));
  }
  if (names.empty()) {
    for (const Matcher& m : selector) names.push_back(m.name());
  }
  SONDE_TRY(auto streams, streams_of(c, request, {selector}, range));
  std::map<LabelSet, uint64_t> volumes;
  for (const storage::LogStream& s : streams) volumes[LabelBuilder(s.labels).keep(names).build()] += s.bytes;
  std::vector<std::pair<LabelSet, uint64_t>> order(volumes.begin(), volumes.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (order.size() > limit) order.resize(limit);
  Answer answer(*writer);
  wire::LokiResultWriter out(answer.buffer(), wire::LokiResultWriter::Type::kVector, false);
  for (const auto& [set, bytes] : order) out.sample(set, range.to.to_timestamp(), static_cast<double>(bytes));
  out.finish({});
  answer.finish();
  return {};
}

Result<> format_query(const LokiApiContext&, Request&, const Params& params, const WriterPtr& writer) {
  auto expr = logql::parse(params.get_or("query", ""));
  std::string out;
  wire::JsonWriter json(out);
  if (expr) {
    json.begin_object().field("status", "success").field("data", logql::to_string(**expr)).end_object();
  } else {
    json.begin_object().field("status", "invalid-query").field("error", expr.error().message).end_object();
  }
  writer->send(expr ? 200 : 400, kJson, out);
  return {};
}

Result<> build_info(const LokiApiContext& c, Request&, const Params&, const WriterPtr& writer) {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().field("version", c.build.version).field("revision", c.build.revision);
  json.field("branch", c.build.branch).field("buildUser", c.build.build_user);
  json.field("buildDate", c.build.build_date).field("goVersion", "").end_object();
  writer->send(200, kJson, out);
  return {};
}

using Endpoint = Result<> (*)(const LokiApiContext&, Request&, const Params&, const WriterPtr&);

net::Handler handler(ContextPtr context, Endpoint endpoint) {
  return [context = std::move(context), endpoint](Request& request, WriterPtr writer) {
    auto run = [&]() -> Result<> {
      SONDE_TRY(Params params, request.read_params());
      return endpoint(*context, request, params, writer);
    };
    // An endpoint fails before it writes anything, or not at all.
    if (auto done = run(); !done) {
      writer->send(status_of(done.error().code), "text/plain; charset=utf-8", done.error().message + "\n");
    }
  };
}

}  // namespace

void add_loki_routes(net::Router& router, std::shared_ptr<const LokiApiContext> context) {
  const std::string base = "/loki/api/v1/";
  auto both = [&](const char* path, Endpoint endpoint) {
    router.add("GET", base + path, net::Role::kRead, handler(context, endpoint));
    router.add("POST", base + path, net::Role::kRead, handler(context, endpoint));
  };
  both("query_range", query_range);
  both("query", query);
  both("labels", labels);
  both("label", labels);
  both("label/{name}/values", label_values);
  both("series", series);
  both("index/stats", index_stats);
  both("index/volume", index_volume);
  both("format_query", format_query);
  router.add("GET", base + "status/buildinfo", net::Role::kRead, handler(context, build_info));
}

}  // namespace sonde::api
