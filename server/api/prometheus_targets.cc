#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "api/prometheus_endpoints.h"
#include "net/ascii.h"
#include "net/url.h"
#include "promql/parser.h"
#include "wire/prometheus_json.h"

namespace sonde::api {
namespace {

using wire::JsonWriter;

std::vector<scrape::PoolStatus> pools_by_name(const PrometheusCall& call) {
  auto pools = call.context.scrape.pools();
  std::sort(pools.begin(), pools.end(), [](const auto& a, const auto& b) { return a.job < b.job; });
  return pools;
}

std::string with_port(std::string_view host, uint16_t port) {
  bool ipv6 = host.find(':') != std::string_view::npos;
  std::string out = ipv6 ? "[" + std::string(host) + "]" : std::string(host);
  return out + ":" + std::to_string(port);
}

// A target of this machine as others reach it: the host of the external URL instead of localhost; for
// ourselves its scheme and port as well.
std::string global_url(const PrometheusApiContext& context, const std::string& url) {
  auto target = net::parse_url(url);
  if (!target || (target->host != "localhost" && target->host != "127.0.0.1" && target->host != "::1")) {
    return url;
  }
  auto external = net::parse_url(context.external_url);
  if (!external) return url;
  if (target->port == context.listen_port) {
    return (external->https ? "https://" : "http://") + external->authority() + target->target;
  }
  return (target->https ? "https://" : "http://") + with_port(external->host, target->port) + target->target;
}

void write_target(JsonWriter& json, const PrometheusApiContext& context, const scrape::TargetStatus& t) {
  json.begin_object().key("discoveredLabels");
  wire::write_labels(json, t.discovered);
  json.key("labels");
  wire::write_labels(json, t.labels);
  json.field("scrapePool", std::string_view(t.job)).field("scrapeUrl", std::string_view(t.url));
  json.field("globalUrl", std::string_view(global_url(context, t.url)));
  json.field("lastError", std::string_view(t.last_error));
  json.field("lastScrape", std::string_view(go_time(t.last_scrape)));
  json.key("lastScrapeDuration").number(seconds_of(t.last_duration));
  json.field("health", to_string(t.health));
  json.field("scrapeInterval", std::string_view(interval_text(t.interval)));
  json.field("scrapeTimeout", std::string_view(interval_text(t.timeout)));
  json.end_object();
}

// The family a sample's name belongs to, or null.
const Metadata* family_of(const std::map<std::string, Metadata, std::less<>>& families, std::string_view name,
                          std::string& family) {
  auto it = families.find(name);
  for (std::string_view suffix : {"_bucket", "_count", "_sum", "_total", "_created", "_info"}) {
    if (it != families.end()) break;
    if (name.ends_with(suffix)) it = families.find(name.substr(0, name.size() - suffix.size()));
  }
  if (it == families.end()) return nullptr;
  family = it->first;
  return &it->second;
}

Result<Matchers> match_target(const PrometheusCall& call) {
  std::string_view text = call.params.get_or("match_target", "");
  if (text.empty()) return Matchers{};
  auto matchers = promql::parse_selector(text);
  if (!matchers) return fail(invalid_parameter("match_target", matchers.error().message));
  return std::move(*matchers);
}

// Families that the target exposed within the lookback, by the labels of its series.
Result<std::map<std::string, Metadata>> families_of(const PrometheusCall& call,
                                                    const std::map<std::string, Metadata, std::less<>>& all,
                                                    const LabelSet& target) {
  Matchers own;
  for (LabelView l : target) own.push_back(Matcher::equal(std::string(l.name), std::string(l.value)));
  Timestamp now = call.context.clock.timestamp();
  SONDE_TRY(auto names,
            call.context.store.label_values(call.scope, kMetricName, {own},
                                            now - call.context.engine.options().lookback, now, 0));
  std::map<std::string, Metadata> out;
  for (const std::string& name : names) {
    std::string family;
    if (const Metadata* m = family_of(all, name, family)) out.emplace(std::move(family), *m);
  }
  return out;
}

}  // namespace

Result<> list_targets(const PrometheusCall& call, PrometheusAnswer& answer) {
  std::string state = net::lower_case(call.params.get_or("state", ""));
  bool any = state.empty() || state == "any";
  bool active = any || state == "active";
  bool dropped = any || state == "dropped";
  std::string_view only = call.params.get_or("scrapePool", "");
  auto pools = pools_by_name(call);
  if (!only.empty()) std::erase_if(pools, [&](const auto& p) { return p.job != only; });
  JsonWriter& json = answer.data();
  json.begin_object().key("activeTargets").begin_array();
  for (const auto& pool : pools) {
    for (size_t i = 0; active && i < pool.active.size(); i++) {
      write_target(json, call.context, pool.active[i]);
      SONDE_CHECK(answer.flush_if_large());
    }
  }
  json.end_array().key("droppedTargets").begin_array();
  for (const auto& pool : pools) {
    for (size_t i = 0; dropped && i < pool.dropped.size(); i++) {
      json.begin_object().key("discoveredLabels");
      wire::write_labels(json, pool.dropped[i].discovered);
      json.field("scrapePool", std::string_view(pool.job)).end_object();
      SONDE_CHECK(answer.flush_if_large());
    }
  }
  json.end_array().key("droppedTargetCounts").begin_object();
  for (const auto& pool : pools) {
    if (dropped) json.key(pool.job).unsigned_integer(pool.dropped_count);
  }
  json.end_object().end_object();
  // Configured, yet without targets: nothing else in this answer would say why.
  for (const auto& pool : pools) {
    for (const std::string& error : pool.errors) answer.warn(pool.job + ": " + error);
  }
  return {};
}

Result<> list_target_metadata(const PrometheusCall& call, PrometheusAnswer& answer) {
  size_t limit = SIZE_MAX;
  if (std::string_view text = call.params.get_or("limit", ""); !text.empty()) {
    int64_t n = 0;
    auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (ec != std::errc() || end != text.data() + text.size()) {
      return fail(ErrorCode::kInvalid, "limit must be a number");
    }
    if (n >= 0) limit = static_cast<size_t>(n);
  }
  SONDE_TRY(Matchers matchers, match_target(call));
  std::string_view metric = call.params.get_or("metric", "");
  std::map<std::string, Metadata, std::less<>> all;
  for (auto& e : call.context.store.metadata(metric, 0))
    all.emplace(std::move(e.metric), std::move(e.metadata));
  struct Entry {
    LabelSet target;
    std::string metric;
    Metadata metadata;
  };
  std::vector<Entry> found;
  for (const auto& pool : pools_by_name(call)) {
    for (const auto& target : pool.active) {
      if (found.size() >= limit) break;
      if (!all_match(matchers, target.labels)) continue;
      SONDE_CHECK(call.request.cancel.check());
      SONDE_TRY(auto families, families_of(call, all, target.labels));
      for (auto& [name, metadata] : families) {
        if (found.size() < limit) found.push_back({target.labels, name, std::move(metadata)});
      }
    }
  }
  if (found.empty()) return fail(ErrorCode::kNotFound, "specified metadata not found");
  JsonWriter& json = answer.data();
  json.begin_array();
  for (const Entry& e : found) {
    json.begin_object().key("target");
    wire::write_labels(json, e.target);
    if (metric.empty()) json.field("metric", std::string_view(e.metric));
    json.field("type", to_string(e.metadata.type)).field("help", std::string_view(e.metadata.help));
    json.field("unit", std::string_view(e.metadata.unit)).end_object();
    SONDE_CHECK(answer.flush_if_large());
  }
  json.end_array();
  return {};
}

Result<> list_scrape_pools(const PrometheusCall& call, PrometheusAnswer& answer) {
  JsonWriter& json = answer.data();
  json.begin_object().key("scrapePools").begin_array();
  for (const auto& pool : pools_by_name(call)) json.string(pool.job);
  json.end_array().end_object();
  return {};
}

Result<> list_alertmanagers(const PrometheusCall& call, PrometheusAnswer& answer) {
  JsonWriter& json = answer.data();
  json.begin_object().key("activeAlertmanagers").begin_array();
  for (const auto& a : call.context.alertmanagers.states()) {
    json.begin_object().field("url", std::string_view(a.url)).end_object();
  }
  json.end_array().key("droppedAlertmanagers").begin_array().end_array().end_object();
  return {};
}

}  // namespace sonde::api
