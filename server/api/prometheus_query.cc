#include <algorithm>

#include "api/prometheus_ast.h"
#include "api/prometheus_endpoints.h"
#include "promql/parser.h"
#include "wire/prometheus_json.h"

namespace sonde::api {
namespace {

using wire::JsonWriter;

constexpr int64_t kPointsMax = 11'000;
constexpr size_t kPointsPerLook = 2048;  // between two looks at how full the buffer is
// At least what a point takes: [1700000000,"1"],
constexpr uint64_t kPointBytes = 18;
constexpr uint64_t kSeriesBytes = 32;

struct QueryParameters {
  std::string_view text;
  size_t limit = 0;
  Duration timeout;
  std::optional<Duration> lookback;
  std::string_view stats;
};

Result<> read_timeout(const PrometheusCall& call, QueryParameters& out) {
  out.timeout = call.context.engine.options().timeout;
  if (out.timeout.ns <= 0) out.timeout = Duration::hours(24 * 365);
  std::string_view text = call.params.get_or("timeout", "");
  if (text.empty()) return {};
  auto timeout = parse_duration_parameter(text);
  if (!timeout) return fail(invalid_parameter("timeout", timeout.error().message));
  out.timeout = std::min(out.timeout, *timeout);
  return {};
}

Result<> read_options(const PrometheusCall& call, QueryParameters& out) {
  SONDE_CHECK(read_timeout(call, out));
  std::string_view lookback = call.params.get_or("lookback_delta", "");
  if (!lookback.empty()) {
    auto d = parse_duration_parameter(lookback);
    if (!d) {
      return fail(ErrorCode::kInvalid, "error parsing lookback delta duration: " + d.error().message);
    }
    if (d->ns > 0) out.lookback = *d;
  }
  out.stats = call.params.get_or("stats", "");
  out.text = call.params.get_or("query", "");
  return {};
}

struct Timings {
  Duration queued;
  Duration evaluated;
};

// Runs `evaluate` with a place at the gate.
template <class F>
Result<promql::QueryResult> run(const PrometheusCall& call, const QueryParameters& p, Timings& timings,
                                F&& evaluate) {
  const PrometheusApiContext& c = call.context;
  promql::QueryContext context;
  context.scope = call.scope;
  context.lookback = p.lookback;
  SONDE_TRY(auto permit, c.gate->enter(p.text, call.request.cancel, p.timeout));
  context.cancel = permit.cancel();
  timings.queued = permit.waited();
  MonotonicTime began = c.clock.monotonic();
  SONDE_CHECK(context.cancel.check());
  Result<promql::QueryResult> result = evaluate(context);
  timings.evaluated = c.clock.monotonic() - began;
  // Text that does not parse, or of the wrong type.
  if (!result && result.error().code == ErrorCode::kInvalid) {
    return fail(invalid_parameter("query", result.error().message));
  }
  return result;
}

uint64_t size_estimate(const promql::Value& value) {
  uint64_t bytes = 0;
  if (const auto* vector = std::get_if<promql::Vector>(&value)) {
    for (const auto& s : *vector) bytes += s.labels.encoded().size() + kSeriesBytes + kPointBytes;
  } else if (const auto* matrix = std::get_if<promql::Matrix>(&value)) {
    for (const auto& s : *matrix) {
      bytes += s.labels.encoded().size() + kSeriesBytes;
      bytes += (s.floats.size() + s.histograms.size()) * kPointBytes;
    }
  }
  return bytes;
}

Result<> write_vector(const promql::Vector& vector, JsonWriter& json, PrometheusAnswer& answer) {
  json.begin_array();
  for (const promql::VectorSample& s : vector) {
    json.begin_object().key("metric");
    wire::write_labels(json, s.labels);
    if (s.histogram) {
      json.key("histogram");
      wire::write_histogram_sample(json, s.t, *s.histogram);
    } else {
      json.key("value");
      wire::write_sample(json, {s.t, s.value});
    }
    json.end_object();
    SONDE_CHECK(answer.flush_if_large());
  }
  json.end_array();
  return {};
}

Result<> write_series(const promql::MatrixSeries& s, JsonWriter& json, PrometheusAnswer& answer) {
  json.begin_object().key("metric");
  wire::write_labels(json, s.labels);
  if (!s.floats.empty()) {
    json.key("values").begin_array();
    for (size_t i = 0; i < s.floats.size(); i++) {
      wire::write_sample(json, {s.float_times[i], s.floats[i]});
      if (i % kPointsPerLook == kPointsPerLook - 1) SONDE_CHECK(answer.flush_if_large());
    }
    json.end_array();
  }
  if (!s.histograms.empty()) {
    json.key("histograms").begin_array();
    for (size_t i = 0; i < s.histograms.size(); i++) {
      wire::write_histogram_sample(json, s.histogram_times[i], *s.histograms[i]);
      SONDE_CHECK(answer.flush_if_large());
    }
    json.end_array();
  }
  json.end_object();
  return answer.flush_if_large();
}

Result<> write_value(const promql::Value& value, JsonWriter& json, PrometheusAnswer& answer) {
  if (const auto* vector = std::get_if<promql::Vector>(&value)) return write_vector(*vector, json, answer);
  if (const auto* matrix = std::get_if<promql::Matrix>(&value)) {
    json.begin_array();
    for (const promql::MatrixSeries& s : *matrix) SONDE_CHECK(write_series(s, json, answer));
    json.end_array();
  } else if (const auto* scalar = std::get_if<promql::Scalar>(&value)) {
    wire::write_sample(json, {scalar->t, scalar->v});
  } else if (const auto* text = std::get_if<promql::String>(&value)) {
    json.begin_array();
    wire::write_timestamp(json, text->t);
    json.string(text->v).end_array();
  }
  return {};
}

bool truncate(promql::Value& value, size_t limit) {
  if (auto* vector = std::get_if<promql::Vector>(&value); vector && vector->size() > limit) {
    vector->resize(limit);
    return true;
  }
  if (auto* matrix = std::get_if<promql::Matrix>(&value); matrix && matrix->size() > limit) {
    matrix->resize(limit);
    return true;
  }
  return false;
}

// What was measured; Prometheus's finer timings are left out rather than invented.
void write_stats(JsonWriter& json, const promql::QueryStats& stats, const Timings& timings) {
  json.key("stats").begin_object();
  json.key("timings").begin_object();
  json.key("evalTotalTime").number(seconds_of(timings.evaluated));
  json.key("execQueueTime").number(seconds_of(timings.queued));
  json.key("execTotalTime").number(seconds_of(timings.queued + timings.evaluated));
  json.end_object();
  json.key("samples").begin_object();
  json.key("totalQueryableSamples").unsigned_integer(stats.samples_read);
  json.key("peakSamples").unsigned_integer(stats.samples_peak);
  json.end_object().end_object();
}

Result<> answer_query(const PrometheusCall& call, const QueryParameters& p, promql::QueryResult result,
                      const Timings& timings, PrometheusAnswer& answer) {
  if (p.limit > 0 && truncate(result.value, p.limit)) answer.warn("results truncated due to limit");
  for (auto& w : result.warnings) answer.warn(std::move(w.text));
  for (auto& i : result.infos) answer.info(std::move(i.text));
  uint64_t bytes = size_estimate(result.value);
  if (bytes > call.context.response_bytes_max) {
    return fail(ErrorCode::kLimit, "the result would take at least " + std::to_string(bytes) +
                                       " bytes, and the limit is " +
                                       std::to_string(call.context.response_bytes_max) +
                                       ": ask for fewer series or a larger step");
  }
  if (!p.stats.empty() && p.stats != "true" && p.stats != "all") {
    answer.warn("stats " + quote(p.stats) + " is taken as \"true\"; only \"true\" and \"all\" are defined");
  }
  JsonWriter& json = answer.data();
  json.begin_object().field("resultType", promql::to_string(promql::type_of(result.value))).key("result");
  SONDE_CHECK(write_value(result.value, json, answer));
  if (!p.stats.empty()) write_stats(json, result.stats, timings);
  json.end_object();
  return {};
}

Result<Timestamp> required_time(const PrometheusCall& call, std::string_view name) {
  auto t = parse_time(call.params.get_or(name, ""));
  if (!t) return fail(invalid_parameter(name, t.error().message));
  return *t;
}

}  // namespace

Result<> query_instant(const PrometheusCall& call, PrometheusAnswer& answer) {
  QueryParameters p;
  SONDE_TRY(p.limit, limit_parameter(call.params));
  SONDE_TRY(Timestamp t, time_parameter(call.params, "time", call.context.clock.timestamp()));
  SONDE_CHECK(read_options(call, p));
  Timings timings;
  SONDE_TRY(auto result, run(call, p, timings, [&](const promql::QueryContext& context) {
              return call.context.engine.instant(p.text, t, context);
            }));
  return answer_query(call, p, std::move(result), timings, answer);
}

Result<> query_range(const PrometheusCall& call, PrometheusAnswer& answer) {
  QueryParameters p;
  SONDE_TRY(p.limit, limit_parameter(call.params));
  SONDE_TRY(Timestamp start, required_time(call, "start"));
  SONDE_TRY(Timestamp end, required_time(call, "end"));
  if (end < start) return fail(invalid_parameter("end", "end timestamp must not be before start time"));
  auto step = parse_duration_parameter(call.params.get_or("step", ""));
  if (!step) return fail(invalid_parameter("step", step.error().message));
  if (step->ns <= 0) {
    return fail(invalid_parameter(
        "step", "zero or negative query resolution step widths are not accepted. Try a positive integer"));
  }
  if (step->ms() == 0) return fail(invalid_parameter("step", "steps below one millisecond are not accepted"));
  if ((end.ms - start.ms) / step->ms() > kPointsMax) {
    return fail(ErrorCode::kInvalid,
                "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
                "resolution (?step=XX)");
  }
  SONDE_CHECK(read_options(call, p));
  Timings timings;
  SONDE_TRY(auto result, run(call, p, timings, [&](const promql::QueryContext& context) {
              return call.context.engine.range(p.text, start, end, *step, context);
            }));
  return answer_query(call, p, std::move(result), timings, answer);
}

Result<> query_exemplars(const PrometheusCall& call, PrometheusAnswer& answer) {
  SONDE_TRY(TimeRange range, range_parameters(call.params));
  if (range.to < range.from) {
    return fail(ErrorCode::kInvalid, "end timestamp must not be before start timestamp");
  }
  SONDE_TRY(auto expr, promql::parse(call.params.get_or("query", ""), call.context.engine.options().parser));
  std::vector<Matchers> selectors;
  for (const auto& use : promql::selectors_of(*expr)) selectors.push_back(use.selector->matchers);
  std::vector<storage::ExemplarSeries> found;
  if (!selectors.empty()) {
    SONDE_TRY(found, call.context.store.exemplars(call.scope, selectors, range.from, range.to));
  }
  JsonWriter& json = answer.data();
  json.begin_array();
  for (const storage::ExemplarSeries& s : found) {
    json.begin_object().key("seriesLabels");
    wire::write_labels(json, s.labels);
    json.key("exemplars").begin_array();
    for (const Exemplar& e : s.exemplars) {
      json.begin_object().key("labels");
      wire::write_labels(json, e.labels);
      json.key("value").value_string(e.value).key("timestamp");
      wire::write_timestamp(json, e.t.value_or(Timestamp{}));
      json.end_object();
    }
    json.end_array().end_object();
    SONDE_CHECK(answer.flush_if_large());
  }
  json.end_array();
  return {};
}

Result<> format_query(const PrometheusCall& call, PrometheusAnswer& answer) {
  auto expr = promql::parse(call.params.get_or("query", ""), call.context.engine.options().parser);
  if (!expr) return fail(invalid_parameter("query", expr.error().message));
  answer.data().string(promql::prettify(**expr));
  return {};
}

Result<> parse_query(const PrometheusCall& call, PrometheusAnswer& answer) {
  auto expr = promql::parse(call.params.get_or("query", ""), call.context.engine.options().parser);
  if (!expr) return fail(invalid_parameter("query", expr.error().message));
  write_ast(answer.data(), **expr);
  return {};
}

}  // namespace sonde::api
