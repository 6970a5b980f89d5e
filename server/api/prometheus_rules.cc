#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "api/prometheus_endpoints.h"
#include "wire/prometheus_json.h"

namespace sonde::api {
namespace {

using wire::JsonWriter;

// Go's 'e' form with the shortest digits: 1e+00, 2.5e-07, NaN, +Inf.
std::string scientific(double v) {
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v > 0 ? "+Inf" : "-Inf";
  char buf[40];
  auto r = std::to_chars(buf, buf + sizeof buf, v, std::chars_format::scientific);
  return std::string(buf, r.ptr);
}

std::string metric_time(Timestamp t) { return go_time(EventTime::from_timestamp(t)); }

void write_alert(JsonWriter& json, const Alert& a) {
  json.begin_object().key("labels");
  wire::write_labels(json, a.labels);
  json.key("annotations");
  wire::write_labels(json, a.annotations);
  json.field("state", to_string(a.state));
  if (a.active_at.ms != 0) json.field("activeAt", std::string_view(metric_time(a.active_at)));
  if (a.keep_firing_since.ms != 0) {
    json.field("keepFiringSince", std::string_view(metric_time(a.keep_firing_since)));
  }
  json.field("value", std::string_view(scientific(a.value))).end_object();
}

void write_pairs(JsonWriter& json, std::string_view key, const rules::TextPairs& pairs) {
  json.key(key).begin_object();
  for (const auto& [name, value] : pairs) json.field(name, std::string_view(value));
  json.end_object();
}

// The worst of its alerts; "unknown" before the first evaluation.
const char* state_of(const rules::RuleStatus& r) {
  if (r.last_evaluation.ns == 0 && r.alerts.empty()) return "unknown";
  AlertState worst = AlertState::kInactive;
  for (const Alert& a : r.alerts) worst = std::max(worst, a.state);
  return to_string(worst);
}

// What Prometheus does not know: why the rule is not what its author thinks.
void write_own_fields(JsonWriter& json, const PrometheusApiContext& context, const rules::GroupStatus& group,
                      const rules::RuleStatus& r) {
  json.field("line", static_cast<int64_t>(r.rule.line)).key("warnings").begin_array();
  for (const std::string& w : r.warnings) json.string(w);
  json.end_array().key("findings").begin_array();
  if (context.findings) {
    for (const RuleFinding& f : context.findings(group, r)) {
      json.begin_object().field("class", std::string_view(f.class_name));
      json.field("severity", std::string_view(f.severity)).field("message", std::string_view(f.message));
      if (!f.rewrite.empty()) json.field("rewrite", std::string_view(f.rewrite));
      json.end_object();
    }
  }
  json.end_array();
}

void write_rule(JsonWriter& json, const PrometheusApiContext& context, const rules::GroupStatus& group,
                const rules::RuleStatus& r, bool exclude_alerts) {
  json.begin_object();
  if (r.rule.alerting) json.field("state", state_of(r));
  json.field("name", std::string_view(r.rule.name)).field("query", std::string_view(r.rule.query));
  if (r.rule.alerting) {
    json.key("duration").number(seconds_of(r.rule.hold));
    json.key("keepFiringFor").number(seconds_of(r.rule.keep_firing_for));
    write_pairs(json, "labels", r.rule.labels);
    write_pairs(json, "annotations", r.rule.annotations);
    json.key("alerts").begin_array();
    for (size_t i = 0; !exclude_alerts && i < r.alerts.size(); i++) write_alert(json, r.alerts[i]);
    json.end_array();
  } else if (!r.rule.labels.empty()) {
    write_pairs(json, "labels", r.rule.labels);
  }
  json.field("health", rules::to_string(r.health));
  if (!r.last_error.empty()) json.field("lastError", std::string_view(r.last_error));
  json.key("evaluationTime").number(seconds_of(r.evaluation_time));
  json.field("lastEvaluation", std::string_view(go_time(r.last_evaluation)));
  json.field("type", r.rule.alerting ? "alerting" : "recording");
  write_own_fields(json, context, group, r);
  json.end_object();
}

struct RuleFilter {
  std::string_view type;
  std::vector<std::string_view> names;
  std::vector<std::string_view> groups;
  std::vector<std::string_view> files;
  std::vector<Matchers> matchers;

  static bool wants(const std::vector<std::string_view>& list, std::string_view value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
  }
  bool takes(const rules::GroupStatus& g) const { return wants(groups, g.name) && wants(files, g.file); }
  bool takes(const rules::Rule& r) const {
    if (type == "alert" && !r.alerting) return false;
    if (type == "record" && r.alerting) return false;
    if (!wants(names, r.name)) return false;
    if (matchers.empty()) return true;
    LabelSet labels = LabelSet::from(r.labels);
    return std::any_of(matchers.begin(), matchers.end(),
                       [&](const Matchers& m) { return all_match(m, labels); });
  }
};

Result<RuleFilter> read_filter(const PrometheusCall& call) {
  RuleFilter f;
  f.type = call.params.get_or("type", "");
  if (!f.type.empty() && f.type != "alert" && f.type != "record") {
    return fail(invalid_parameter("type", "not supported value " + quote(f.type)));
  }
  f.names = call.params.all("rule_name[]");
  f.groups = call.params.all("rule_group[]");
  f.files = call.params.all("file[]");
  SONDE_TRY(f.matchers, match_parameters(call.params));
  return f;
}

// Names a group over requests, without telling files that the asker does not know yet.
std::string page_token(const rules::GroupStatus& g) {
  char buf[17];
  std::snprintf(buf, sizeof buf, "%016llx",
                static_cast<unsigned long long>(hash_bytes(g.file + ";" + g.name)));
  return buf;
}

struct Page {
  size_t limit = 0;  // 0: all
  std::string_view token;
};

Result<Page> read_page(const PrometheusCall& call) {
  Page page;
  std::string_view limit = call.params.get_or("group_limit", "");
  page.token = call.params.get_or("group_next_token", "");
  if (!limit.empty()) {
    auto [end, ec] = std::from_chars(limit.data(), limit.data() + limit.size(), page.limit);
    if (ec != std::errc() || end != limit.data() + limit.size() || page.limit == 0) {
      return fail(invalid_parameter("group_limit", "group_limit needs to be a positive number"));
    }
  } else if (!page.token.empty()) {
    return fail(invalid_parameter("group_limit",
                                  "group_limit needs to be present in order to paginate over the groups"));
  }
  return page;
}

std::vector<rules::GroupStatus> sorted_groups(const PrometheusCall& call) {
  auto groups = call.context.rules.groups();
  std::stable_sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    return a.file != b.file ? a.file < b.file : a.name < b.name;
  });
  return groups;
}

Result<> write_group(JsonWriter& json, const PrometheusCall& call, const rules::GroupStatus& g,
                     const std::vector<const rules::RuleStatus*>& rules, bool exclude_alerts,
                     PrometheusAnswer& answer) {
  json.begin_object().field("name", std::string_view(g.name)).field("file", std::string_view(g.file));
  json.key("rules").begin_array();
  for (const rules::RuleStatus* r : rules) {
    write_rule(json, call.context, g, *r, exclude_alerts);
    SONDE_CHECK(answer.flush_if_large());
  }
  json.end_array();
  json.key("interval").number(seconds_of(g.interval)).key("limit").unsigned_integer(g.limit);
  json.key("evaluationTime").number(seconds_of(g.evaluation_time));
  json.field("lastEvaluation", std::string_view(go_time(g.last_evaluation))).end_object();
  return {};
}

}  // namespace

Result<> list_rules(const PrometheusCall& call, PrometheusAnswer& answer) {
  SONDE_TRY(RuleFilter filter, read_filter(call));
  SONDE_TRY(bool exclude_alerts, bool_parameter(call.params, "exclude_alerts"));
  SONDE_TRY(Page page, read_page(call));
  auto groups = sorted_groups(call);
  size_t first = 0;
  if (!page.token.empty()) {
    while (first < groups.size() && page_token(groups[first]) != page.token) first++;
    if (first == groups.size()) {
      return fail(
          invalid_parameter("group_next_token", "invalid group_next_token. were rule groups changed?"));
    }
  }
  JsonWriter& json = answer.data();
  json.begin_object().key("groups").begin_array();
  size_t shown = 0;
  std::string next;
  for (size_t i = first; i < groups.size(); i++) {
    if (!filter.takes(groups[i])) continue;
    std::vector<const rules::RuleStatus*> rules;
    for (const auto& r : groups[i].rules) {
      if (filter.takes(r.rule)) rules.push_back(&r);
    }
    if (rules.empty()) continue;
    if (page.limit > 0 && shown == page.limit) {
      next = page_token(groups[i]);
      break;
    }
    shown++;
    SONDE_CHECK(write_group(json, call, groups[i], rules, exclude_alerts, answer));
  }
  json.end_array();
  if (!next.empty()) json.field("groupNextToken", std::string_view(next));
  json.end_object();
  return {};
}

Result<> list_alerts(const PrometheusCall& call, PrometheusAnswer& answer) {
  JsonWriter& json = answer.data();
  json.begin_object().key("alerts").begin_array();
  for (const auto& g : sorted_groups(call)) {
    for (const auto& r : g.rules) {
      for (const Alert& a : r.alerts) {
        write_alert(json, a);
        SONDE_CHECK(answer.flush_if_large());
      }
    }
  }
  json.end_array().end_object();
  return {};
}

}  // namespace sonde::api
