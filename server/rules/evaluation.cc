#include "rules/evaluation.h"

#include <algorithm>

#include "templates/template.h"

namespace sonde::rules {
namespace {

constexpr Duration kResolvedRetention = Duration::minutes(15);

constexpr std::string_view kAlertName = "alertname";

// The query's result as a vector: a scalar is one sample without labels.
Result<promql::Vector> query_vector(const Rule& rule, Timestamp t, const EvaluationContext& context,
                                    std::vector<std::string>& warnings) {
  promql::QueryContext query_context;
  query_context.cancel = context.cancel;
  SONDE_TRY(auto result, context.engine.instant(*rule.expr, rule.query, t, query_context));
  for (const promql::Annotation& w : result.warnings) warnings.push_back(w.text);
  if (auto* v = std::get_if<promql::Vector>(&result.value)) return std::move(*v);
  if (auto* s = std::get_if<promql::Scalar>(&result.value))
    return promql::Vector{{LabelSet{}, s->t, s->v, nullptr}};
  return fail(ErrorCode::kInvalid, "rule result is not a vector or scalar");
}

templates::QueryFunction query_function(Timestamp t, const EvaluationContext& context) {
  return [t, &context](std::string_view text) -> Result<std::vector<templates::QuerySample>> {
    promql::QueryContext query_context;
    query_context.cancel = context.cancel;
    SONDE_TRY(auto result, context.engine.instant(text, t, query_context));
    std::vector<templates::QuerySample> out;
    if (auto* v = std::get_if<promql::Vector>(&result.value)) {
      for (const promql::VectorSample& s : *v) out.push_back({s.labels, s.value});
    } else if (auto* s = std::get_if<promql::Scalar>(&result.value)) {
      out.push_back({LabelSet{}, s->v});
    } else {
      return fail(ErrorCode::kInvalid, "query result is not a vector or scalar");
    }
    return out;
  };
}

}  // namespace

Result<RuleOutput> evaluate_recording(const Rule& rule, Timestamp t, Duration query_offset, uint64_t limit,
                                      const EvaluationContext& context) {
  RuleOutput out;
  SONDE_TRY(auto vector, query_vector(rule, t - query_offset, context, out.warnings));
  std::unordered_map<LabelSet, char, LabelSetHash> seen;
  for (promql::VectorSample& s : vector) {
    LabelBuilder labels(s.labels);
    labels.set(kMetricName, rule.name);
    for (const auto& [name, value] : rule.labels) labels.set(name, value);
    RuleSample sample{labels.build(), s.value, s.histogram};
    if (!seen.emplace(sample.labels, 0).second) {
      return fail(ErrorCode::kConflict,
                  "vector contains metrics with the same labelset after applying rule labels: " +
                      sample.labels.to_string());
    }
    out.samples.push_back(std::move(sample));
  }
  if (limit > 0 && out.samples.size() > limit) {
    return fail(ErrorCode::kLimit, "exceeded limit of " + std::to_string(limit) + " with " +
                                       std::to_string(out.samples.size()) + " series");
  }
  return out;
}

Result<RuleOutput> AlertingState::evaluate(const Rule& rule, const std::string& group, Timestamp t,
                                           Duration query_offset, uint64_t limit,
                                           const EvaluationContext& context,
                                           std::vector<AlertTransition>& changes) {
  RuleOutput out;
  SONDE_TRY(auto vector, query_vector(rule, t - query_offset, context, out.warnings));
  templates::QueryFunction query = query_function(t - query_offset, context);
  Alerts found;
  for (const promql::VectorSample& s : vector) {
    auto expand = [&](const std::string& text) {
      if (text.find("{{") == std::string::npos) return text;
      return templates::expand_alert_text(text, s.labels, context.external_labels, context.external_url,
                                          s.value, query, EventTime::from_timestamp(t));
    };
    LabelBuilder labels(s.labels);
    labels.del(kMetricName);
    for (const auto& [name, value] : rule.labels) labels.set(name, expand(value));
    labels.set(kAlertName, rule.name);
    Alert alert;
    alert.labels = labels.build();
    LabelBuilder annotations;
    for (const auto& [name, value] : rule.annotations) annotations.set(name, expand(value));
    alert.annotations = annotations.build();
    alert.state = AlertState::kPending;
    alert.value = s.value;
    alert.active_at = t;
    LabelSet key = alert.labels;
    if (!found.emplace(key, std::move(alert)).second) {
      return fail(
          ErrorCode::kConflict,
          "vector contains metrics with the same labelset after applying alert labels: " + key.to_string());
    }
  }
  auto changed = [&](const Alert& a, AlertState from, AlertState to) {
    if (from != to) changes.push_back({t, group, rule.name, a.labels, from, to, a.value});
  };
  for (auto& [labels, alert] : found) {
    auto known = alerts_.find(labels);
    if (known != alerts_.end() && known->second.state != AlertState::kInactive) {
      known->second.value = alert.value;
      known->second.annotations = alert.annotations;
      continue;
    }
    // An inactive one that fires again begins anew.
    alerts_.insert_or_assign(labels, alert);
    last_sent_.erase(labels);
    if (rule.hold.ns > 0) changed(alert, AlertState::kInactive, AlertState::kPending);
  }
  size_t active = 0;
  for (auto it = alerts_.begin(); it != alerts_.end();) {
    Alert& a = it->second;
    if (!found.contains(it->first) && !(t < grace_end_ && a.state != AlertState::kInactive)) {
      bool keep_firing = false;
      if (a.state == AlertState::kFiring && rule.keep_firing_for.ns > 0) {
        if (a.keep_firing_since.ms == 0) a.keep_firing_since = t;
        keep_firing = t - a.keep_firing_since < rule.keep_firing_for;
      }
      bool forget = a.state == AlertState::kPending ||
                    (a.resolved_at.ms != 0 && t - a.resolved_at > kResolvedRetention);
      if (a.state != AlertState::kInactive && !keep_firing) {
        changed(a, a.state, AlertState::kInactive);
        a.state = AlertState::kInactive;
        a.resolved_at = t;
      }
      if (forget) {
        last_sent_.erase(it->first);
        it = alerts_.erase(it);
        continue;
      }
      if (!keep_firing) {
        ++it;
        continue;
      }
    } else if (found.contains(it->first)) {
      a.keep_firing_since = {};
    }
    active++;
    // A restored one that the query has not confirmed yet goes on waiting.
    if (a.state == AlertState::kPending && t - a.active_at >= rule.hold && found.contains(it->first)) {
      changed(a, rule.hold.ns > 0 ? AlertState::kPending : AlertState::kInactive, AlertState::kFiring);
      a.state = AlertState::kFiring;
      a.fired_at = t;
    }
    if (a.state != AlertState::kInactive) {
      LabelBuilder state(a.labels);
      state.set(kMetricName, "ALERTS").set("alertstate", to_string(a.state));
      out.samples.push_back({state.build(), 1, nullptr});
      LabelBuilder since(a.labels);
      since.set(kMetricName, "ALERTS_FOR_STATE");
      out.samples.push_back({since.build(), static_cast<double>(a.active_at.ms / 1000), nullptr});
    }
    ++it;
  }
  if (limit > 0 && active > limit) {
    for (const auto& [labels, a] : alerts_) changed(a, a.state, AlertState::kInactive);
    alerts_.clear();
    last_sent_.clear();
    return fail(ErrorCode::kLimit,
                "exceeded limit of " + std::to_string(limit) + " with " + std::to_string(active) + " alerts");
  }
  return out;
}

void AlertingState::restore(std::vector<Alert> alerts, Timestamp saved_at, Timestamp now,
                            Timestamp grace_end) {
  grace_end_ = grace_end;
  Duration away = std::max(now - saved_at, Duration{});
  for (Alert& a : alerts) {
    if (a.state == AlertState::kPending) a.active_at = a.active_at + away;
    LabelSet labels = a.labels;
    alerts_.insert_or_assign(std::move(labels), std::move(a));
  }
}

std::vector<Alert> AlertingState::to_send(Timestamp t, Duration resend_delay, Duration interval,
                                          const std::string& generator_url) {
  std::vector<Alert> out;
  for (auto& [labels, a] : alerts_) {
    if (a.state == AlertState::kPending) continue;
    Timestamp& sent = last_sent_[labels];
    bool due = a.resolved_at > sent || sent + resend_delay <= t;
    if (!due) continue;
    sent = t;
    Alert copy = a;
    copy.generator_url = generator_url;
    copy.ends_at = a.resolved_at.ms != 0 ? a.resolved_at : t + std::max(interval, resend_delay) * 4;
    out.push_back(std::move(copy));
  }
  std::sort(out.begin(), out.end(), [](const Alert& a, const Alert& b) { return a.labels < b.labels; });
  return out;
}

std::string expression_url(const std::string& external_url, const std::string& query) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out = external_url + "/graph?g0.expr=";
  for (char c : query) {
    auto u = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
        c == '.' || c == '~') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += {'%', kHex[u >> 4], kHex[u & 15]};
    }
  }
  return out + "&g0.tab=1";
}

}  // namespace sonde::rules
