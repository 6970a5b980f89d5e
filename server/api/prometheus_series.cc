#include <algorithm>
#include <charconv>
#include <limits>

#include "api/prometheus_endpoints.h"
#include "wire/prometheus_json.h"

namespace sonde::api {
namespace {

using wire::JsonWriter;

constexpr const char* kTruncated = "results truncated due to limit";

// One more than wanted tells whether there is more.
size_t store_limit(size_t limit) { return limit == 0 ? 0 : limit + 1; }

Result<> write_names(std::vector<std::string> names, size_t limit, PrometheusAnswer& answer) {
  if (limit > 0 && names.size() > limit) {
    names.resize(limit);
    answer.warn(kTruncated);
  }
  JsonWriter& json = answer.data();
  json.begin_array();
  for (const std::string& name : names) {
    json.string(name);
    SONDE_CHECK(answer.flush_if_large());
  }
  json.end_array();
  return {};
}

// A whole number; `fallback` when absent.
Result<int64_t> number_parameter(const PrometheusCall& call, std::string_view name, int64_t fallback) {
  std::string_view text = call.params.get_or(name, "");
  if (text.empty()) return fallback;
  int64_t n = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size()) {
    return fail(ErrorCode::kInvalid, std::string(name) + " must be a number");
  }
  return n;
}

}  // namespace

Result<> list_series(const PrometheusCall& call, PrometheusAnswer& answer) {
  if (call.params.all("match[]").empty()) return fail(ErrorCode::kInvalid, "no match[] parameter provided");
  SONDE_TRY(size_t limit, limit_parameter(call.params));
  SONDE_TRY(TimeRange range, range_parameters(call.params));
  SONDE_TRY(auto selectors, match_parameters(call.params));
  storage::SelectHints hints;
  hints.from = range.from;
  hints.to = range.to;
  hints.func = "series";
  std::vector<LabelSet> found;
  std::vector<std::string> warnings;
  for (const Matchers& matchers : selectors) {
    SONDE_TRY(auto set, call.context.store.select(call.scope, matchers, hints, call.request.cancel));
    // Each set is sorted, so the smallest limit+1 of all are among the first limit+1 of each.
    for (size_t n = 0; limit == 0 || n <= limit; n++) {
      SONDE_TRY(bool more, set->next());
      if (!more) break;
      found.push_back(set->labels());
    }
    for (std::string& w : set->warnings()) warnings.push_back(std::move(w));
  }
  if (selectors.size() > 1) {
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
  }
  if (limit > 0 && found.size() > limit) {
    found.resize(limit);
    answer.warn(kTruncated);
  }
  for (std::string& w : warnings) answer.warn(std::move(w));
  JsonWriter& json = answer.data();
  json.begin_array();
  for (const LabelSet& labels : found) {
    wire::write_labels(json, labels);
    SONDE_CHECK(answer.flush_if_large());
  }
  json.end_array();
  return {};
}

Result<> list_label_names(const PrometheusCall& call, PrometheusAnswer& answer) {
  SONDE_TRY(size_t limit, limit_parameter(call.params));
  SONDE_TRY(TimeRange range, range_parameters(call.params));
  SONDE_TRY(auto selectors, match_parameters(call.params));
  SONDE_TRY(auto names,
            call.context.store.label_names(call.scope, selectors, range.from, range.to, store_limit(limit)));
  return write_names(std::move(names), limit, answer);
}

Result<> list_label_values(const PrometheusCall& call, PrometheusAnswer& answer) {
  std::string name = unescape_name(call.request.path_param("name"));
  if (name.empty() || !is_valid_utf8(name)) {
    return fail(ErrorCode::kInvalid, "invalid label name: " + quote(name));
  }
  SONDE_TRY(size_t limit, limit_parameter(call.params));
  SONDE_TRY(TimeRange range, range_parameters(call.params));
  SONDE_TRY(auto selectors, match_parameters(call.params));
  SONDE_TRY(auto values, call.context.store.label_values(call.scope, name, selectors, range.from, range.to,
                                                         store_limit(limit)));
  return write_names(std::move(values), limit, answer);
}

Result<> list_metadata(const PrometheusCall& call, PrometheusAnswer& answer) {
  SONDE_TRY(int64_t limit, number_parameter(call, "limit", -1));
  SONDE_TRY(int64_t per_metric, number_parameter(call, "limit_per_metric", -1));
  std::string_view metric = call.params.get_or("metric", "");
  JsonWriter& json = answer.data();
  json.begin_object();
  if (limit != 0 && per_metric != 0) {
    // The store keeps one entry for each family, so a positive limit_per_metric cuts nothing.
    size_t families = limit < 0 ? 0 : static_cast<size_t>(limit);
    for (const storage::MetadataEntry& e : call.context.store.metadata(metric, families)) {
      json.key(e.metric).begin_array().begin_object();
      json.field("type", to_string(e.metadata.type)).field("help", std::string_view(e.metadata.help));
      json.field("unit", std::string_view(e.metadata.unit)).end_object().end_array();
      SONDE_CHECK(answer.flush_if_large());
    }
  }
  json.end_object();
  return {};
}

}  // namespace sonde::api
