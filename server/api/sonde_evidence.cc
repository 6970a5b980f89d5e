#include "api/sonde_evidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "api/sonde_alerts.h"
#include "api/sonde_metrics.h"
#include "api/sonde_statements.h"
#include "api/sonde_traces.h"

namespace sonde::api {

namespace {

constexpr size_t kTracesMax = 10;
constexpr size_t kTracesSearched = 200;
constexpr size_t kExemplarsTried = 20;  // traces may have been sampled away
constexpr size_t kStatementsMax = 10;

struct Found {
  std::optional<AlertRow> alert;
  std::optional<rules::Rule> rule;
};

// The rule by its name; among several of one name, the one that has the alert, then the one whose own labels
// the alert has.
Found find_rule(const rules::Manager& rules, const LabelSet& labels) {
  Found out;
  std::string_view name = labels.get("alertname");
  int best = -1;
  for (auto& group : rules.groups()) {
    for (auto& status : group.rules) {
      if (!status.rule.alerting || status.rule.name != name) continue;
      for (auto& alert : status.alerts) {
        if (alert.state == AlertState::kInactive || !(alert.labels == labels)) continue;
        out.rule = status.rule;
        out.alert = AlertRow{std::move(alert), status.rule, group.name};
        return out;
      }
      int same = 0;
      for (const auto& [key, value] : status.rule.labels) same += labels.get(key) == value ? 1 : 0;
      if (same > best) {
        best = same;
        out.rule = status.rule;
      }
    }
  }
  return out;
}

struct Nature {
  std::vector<Matchers> selectors;  // of series that may carry exemplars
  std::string service;              // named by a selector; empty: none
  Duration range = Duration::minutes(5);
  bool latency = false;
  bool errors = false;
};

// Whether a matcher on a status label asks for failures.
bool asks_for_errors(const Matcher& m) {
  static const std::set<std::string, std::less<>> names{"status", "code", "status_code", "error_type",
                                                        "http_response_status_code"};
  if (!names.contains(m.name())) return false;
  return m.name() == "error_type" ? !m.matches("") : m.matches("500") && !m.matches("200");
}

Nature nature_of(const promql::Expr& expr, const LabelSet& labels) {
  Nature out;
  for (const auto& use : promql::selectors_of(expr)) {
    out.range = std::max(out.range, Duration::milliseconds(use.range_ms));
    std::string name = use.selector->name;
    Matchers rest;
    for (const Matcher& m : use.selector->matchers) {
      if (m.name() == kMetricName) {
        if (m.op() == MatchOp::kEqual) name = m.value();
        continue;
      }
      out.errors |= asks_for_errors(m);
      if (m.op() == MatchOp::kEqual &&
          (m.name() == "service" || m.name() == "service_name" || m.name() == "job"))
        out.service = m.value();
      if (m.name() != "le") rest.push_back(m);
    }
    if (name.empty()) continue;
    out.latency |= name.find("duration") != std::string::npos || name.find("latency") != std::string::npos;
    out.errors |= name.find("error") != std::string::npos;
    std::set<std::string> names{name};
    for (const char* suffix : {"_count", "_sum", "_bucket"}) {
      if (name.ends_with(suffix))
        names.insert(name.substr(0, name.size() - std::string_view(suffix).size()) + "_bucket");
    }
    names.insert(name + "_bucket");
    if (name == "http_requests_total") {
      names.insert("http_request_duration_seconds_bucket");
      names.insert("http_server_request_duration_seconds_bucket");
    }
    for (const auto& metric : names) {
      Matchers one{Matcher::equal(std::string(kMetricName), metric)};
      // Another metric than the rule's need not have its labels.
      if (metric.starts_with(name) || name.starts_with(metric.substr(0, metric.size() - 7))) {
        one.insert(one.end(), rest.begin(), rest.end());
      }
      out.selectors.push_back(std::move(one));
    }
  }
  if (out.errors) out.latency = false;
  std::string_view own = service_of(labels);
  if (!own.empty()) out.service = own;
  return out;
}

// The alert's labels that the series has must be the same; those it lacks say nothing.
bool agrees(const LabelSet& series, const LabelSet& alert) {
  for (const LabelView& l : alert) {
    std::string_view v = series.get(l.name);
    if (l.name != "alertname" && !v.empty() && v != l.value) return false;
  }
  return true;
}

struct Candidate {
  LabelSet series;
  Exemplar exemplar;
  TraceId trace_id;
};

Result<std::vector<Candidate>> exemplars_of(const SondeContext& context, const Nature& nature,
                                            const LabelSet& labels, const Window& window) {
  std::vector<Candidate> out;
  if (nature.selectors.empty()) return out;
  SONDE_TRY(auto found, context.metrics.exemplars({}, nature.selectors, window.start, window.end));
  for (auto& series : found) {
    if (!agrees(series.labels, labels)) continue;
    if (std::string_view s = service_of(series.labels); !nature.service.empty() && !s.empty() &&
                                                        s != nature.service &&
                                                        series.labels.get("job") != nature.service)
      continue;
    for (auto& e : series.exemplars) {
      auto id = TraceId::from_hex(e.labels.get("trace_id"));
      if (id && !id->empty() && std::isfinite(e.value)) out.push_back({series.labels, std::move(e), *id});
    }
  }
  // Highest first; for failures the latest tells most.
  std::stable_sort(out.begin(), out.end(), [&](const Candidate& a, const Candidate& b) {
    if (nature.errors) return a.exemplar.t.value_or(Timestamp{}) > b.exemplar.t.value_or(Timestamp{});
    return a.exemplar.value > b.exemplar.value;
  });
  return out;
}

storage::TraceSummary summary_of(const std::vector<Span>& spans) {
  storage::TraceSummary out;
  const Span* root = &spans.front();
  EventTime end = spans.front().end;
  out.start = spans.front().start;
  std::map<std::string, size_t> services;
  for (const Span& s : spans) {
    if (s.parent_id.empty() && !root->parent_id.empty()) root = &s;
    out.start = std::min(out.start, s.start);
    end = std::max(end, s.end);
    out.error_count += s.status == SpanStatus::kError ? 1 : 0;
    services[s.service]++;
  }
  out.trace_id = root->trace_id;
  out.root_service = root->service;
  out.root_name = root->name;
  out.duration = end - out.start;
  out.span_count = spans.size();
  out.services.assign(services.begin(), services.end());
  return out;
}

// p95 now over p95 an hour before, weighed by the share of time: what grew and matters comes first.
Result<std::vector<StatementRow>> grown_statements(const SondeContext& context, const Cancellation& cancel,
                                                   const Window& window, const Nature& nature,
                                                   const std::set<std::string>& services) {
  SONDE_TRY(auto now, collect_statements(context, cancel, window, {}));
  Window before{window.start - Duration::hours(1), window.start};
  SONDE_TRY(auto earlier, collect_statements(context, cancel, before, {}));
  using Key = std::pair<std::string, std::string>;
  std::map<Key, double> p95_before;
  for (const auto& s : earlier.list) p95_before[{s.service, s.fingerprint}] = s.p95;
  std::vector<std::pair<double, StatementRow>> ranked;
  double total = 0;
  for (auto& s : now.list) {
    if (!nature.service.empty() && s.service != nature.service && !services.contains(s.service)) continue;
    total += s.total_seconds;
    ranked.emplace_back(0, std::move(s));
  }
  for (auto& [score, s] : ranked) {
    double share = total > 0 ? s.total_seconds / total : 0;
    auto it = p95_before.find({s.service, s.fingerprint});
    double old = it != p95_before.end() && it->second > 0 ? it->second : 0;
    double growth = old > 0 && std::isfinite(s.p95) ? s.p95 / old : 1;
    score = std::isfinite(growth) ? share * growth : share;
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<StatementRow> out;
  for (auto& [score, s] : ranked) {
    if (out.size() < kStatementsMax) out.push_back(std::move(s));
  }
  return out;
}

}  // namespace

Result<std::string> evidence_json(const SondeContext& context, const Cancellation& cancel,
                                  const LabelSet& labels, Timestamp t) {
  if (labels.get("alertname").empty()) return fail(ErrorCode::kInvalid, "labels: alertname is missing");
  Found found = find_rule(context.rules, labels);
  Nature nature;
  if (found.rule && found.rule->expr) {
    nature = nature_of(*found.rule->expr, labels);
  } else {
    nature.service = service_of(labels);
  }
  Timestamp active = found.alert && found.alert->alert.active_at <= t ? found.alert->alert.active_at : t;
  Duration hold = found.rule ? found.rule->hold : Duration{};
  if (active == t) active = t - hold;
  Window window{active - nature.range, std::min(t + Duration::minutes(1), context.clock.timestamp())};
  if (window.end < t) window.end = t;

  // The exemplar, and its trace first in the list.
  SONDE_TRY(auto candidates, exemplars_of(context, nature, labels, window));
  std::vector<storage::TraceSummary> traces;
  std::set<TraceId> listed;
  std::optional<Candidate> chosen;
  size_t tried = 0;
  for (const auto& c : candidates) {
    if (listed.contains(c.trace_id)) continue;
    if (tried++ == kExemplarsTried || traces.size() == kTracesMax / 2) break;
    SONDE_TRY(auto spans, context.spans.trace({}, c.trace_id, cancel));
    if (spans.empty()) continue;
    // For a rule about failures, an exemplar of a good request is no evidence.
    auto summary = summary_of(spans);
    if (nature.errors && summary.error_count == 0) continue;
    listed.insert(c.trace_id);
    traces.push_back(std::move(summary));
    if (!chosen) chosen = c;
  }

  // Then what a search in the alert's time finds: failed traces, or the slowest.
  storage::SpanSearch search;
  search.service = nature.service;
  search.from = window.from();
  search.to = window.to();
  search.errors_only = nature.errors;
  std::vector<storage::TraceSummary> searched;
  if (nature.errors) {
    search.limit = kTracesSearched;
    SONDE_TRY(searched, context.spans.search({}, search, cancel));
  } else {
    search.limit = kTracesMax * 2;  // some may be listed already
    SONDE_TRY(auto slowest, slowest_traces(context, cancel, search));
    searched = std::move(slowest.traces);
  }
  for (auto& s : searched) {
    if (traces.size() == kTracesMax) break;
    if (listed.insert(s.trace_id).second) traces.push_back(std::move(s));
  }

  // A slow statement may be another service's, further down the same traces.
  std::set<std::string> services;
  for (const auto& trace : traces) {
    for (const auto& [name, count] : trace.services) services.insert(name);
  }
  if (nature.service.empty() && !traces.empty()) nature.service = traces.front().root_service;
  SONDE_TRY(auto statements, grown_statements(context, cancel, window, nature, services));

  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  if (found.alert) {
    w.key("alert");
    write_alert(w, *found.alert, context.clock.timestamp());
  }
  w.field("expr", found.rule ? found.rule->query : std::string());
  add_number(w, "start", to_seconds(window.start));
  add_number(w, "end", to_seconds(window.end));
  w.field("service", nature.service);
  if (chosen) {
    w.key("exemplar").begin_object();
    w.field("trace_id", chosen->trace_id.to_hex());
    w.field("span_id", chosen->exemplar.labels.get("span_id"));
    add_number(w, "value", chosen->exemplar.value);
    add_number(w, "t", to_seconds(chosen->exemplar.t.value_or(t)));
    add_labels(w, "series", chosen->series);
    w.end_object();
  }
  w.key("traces").begin_array();
  for (const auto& trace : traces) write_trace_row(w, trace);
  w.end_array();
  w.key("statements").begin_array();
  for (const auto& s : statements) write_statement(w, s);
  w.end_array();
  std::string stream =
      nature.service.empty() ? "service_name=~\".+\"" : "service_name=" + quote(nature.service);
  w.field("logs_query", "{" + stream + "} | detected_level=~\"warn|error|fatal|critical\"");
  w.end_object();
  return out;
}

}  // namespace sonde::api
