#include <algorithm>
#include <charconv>

#include "api/prometheus_endpoints.h"

namespace sonde::api {
namespace {

using wire::JsonWriter;

constexpr size_t kCountsMax = 10'000;

void write_build(JsonWriter& json, const BuildInfo& build) {
  json.begin_object().field("version", std::string_view(build.version));
  json.field("revision", std::string_view(build.revision)).field("branch", std::string_view(build.branch));
  json.field("buildUser", std::string_view(build.build_user));
  json.field("buildDate", std::string_view(build.build_date));
  json.field("goVersion", std::string_view(build.compiler));
  json.field("sondeVersion", std::string_view(build.sonde_version)).end_object();
}

void write_counts(JsonWriter& json, std::string_view key, const std::vector<storage::NamedCount>& counts) {
  json.key(key).begin_array();
  for (const storage::NamedCount& c : counts) {
    json.begin_object().field("name", std::string_view(c.name)).key("value").unsigned_integer(c.count);
    json.end_object();
  }
  json.end_array();
}

}  // namespace

std::string build_json(const BuildInfo& build) {
  std::string out;
  JsonWriter json(out);
  write_build(json, build);
  return out;
}

Result<> status_config(const PrometheusCall& call, PrometheusAnswer& answer) {
  std::string yaml = call.context.config_yaml ? call.context.config_yaml() : std::string();
  answer.data().begin_object().field("yaml", std::string_view(yaml)).end_object();
  return {};
}

Result<> status_flags(const PrometheusCall& call, PrometheusAnswer& answer) {
  auto flags = call.context.flags;
  std::sort(flags.begin(), flags.end());
  JsonWriter& json = answer.data();
  json.begin_object();
  for (const auto& [name, value] : flags) json.field(name, std::string_view(value));
  json.end_object();
  return {};
}

Result<> status_runtime(const PrometheusCall& call, PrometheusAnswer& answer) {
  RuntimeInfo r = call.context.runtime ? call.context.runtime() : RuntimeInfo{};
  JsonWriter& json = answer.data();
  json.begin_object().field("startTime", std::string_view(go_time(r.start_time)));
  json.field("CWD", std::string_view(r.working_directory)).field("hostname", std::string_view(r.hostname));
  json.field("serverTime", std::string_view(go_time(call.context.clock.now())));
  json.field("reloadConfigSuccess", r.reload_succeeded);
  json.field("lastConfigTime", std::string_view(go_time(r.last_config_time)));
  json.key("corruptionCount").unsigned_integer(r.corruption_count);
  json.key("goroutineCount").unsigned_integer(r.threads);
  json.key("GOMAXPROCS").unsigned_integer(r.cpus);
  json.key("GOMEMLIMIT").unsigned_integer(r.memory_limit_bytes);
  json.field("GOGC", "").field("GODEBUG", "");
  json.field("storageRetention", std::string_view(r.storage_retention)).end_object();
  return {};
}

Result<> status_build(const PrometheusCall& call, PrometheusAnswer& answer) {
  write_build(answer.data(), call.context.build);
  return {};
}

Result<> status_tsdb(const PrometheusCall& call, PrometheusAnswer& answer) {
  size_t limit = 10;
  if (std::string_view text = call.params.get_or("limit", ""); !text.empty()) {
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (ec != std::errc() || end != text.data() + text.size() || limit < 1) {
      return fail(ErrorCode::kInvalid, "limit must be a positive number");
    }
    if (limit > kCountsMax) {
      return fail(ErrorCode::kInvalid, "limit must not exceed " + std::to_string(kCountsMax));
    }
  }
  storage::HeadStats s = call.context.store.head_stats(limit);
  JsonWriter& json = answer.data();
  json.begin_object().key("headStats").begin_object();
  json.key("numSeries").unsigned_integer(s.series).key("numLabelPairs").unsigned_integer(s.label_pairs);
  json.key("chunkCount").unsigned_integer(s.chunks);
  json.field("minTime", s.min_time.ms).field("maxTime", s.max_time.ms).end_object();
  write_counts(json, "seriesCountByMetricName", s.series_by_metric);
  write_counts(json, "labelValueCountByLabelName", s.values_by_label);
  write_counts(json, "memoryInBytesByLabelName", s.memory_by_label);
  write_counts(json, "seriesCountByLabelValuePair", s.series_by_label_pair);
  json.end_object();
  return {};
}

Result<> status_replay(const PrometheusCall& call, PrometheusAnswer& answer) {
  storage::ReplayProgress p = call.context.store.replay_progress();
  JsonWriter& json = answer.data();
  json.begin_object().key("min").unsigned_integer(p.min_segment).key("max").unsigned_integer(p.max_segment);
  json.key("current").unsigned_integer(p.current_segment).end_object();
  return {};
}

}  // namespace sonde::api
