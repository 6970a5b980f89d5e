#include "api/sonde_alerts.h"

#include <algorithm>

namespace sonde::api {

namespace {

constexpr size_t kAlertsMax = 5000;
constexpr size_t kFindingsMax = 2000;
constexpr size_t kMessageAlertsMax = 100;

std::optional<double> constant(const promql::Expr& expr) {
  const promql::Expr& e = promql::unwrap(expr);
  if (const auto* n = promql::as<promql::NumberLiteral>(e)) return n->value;
  if (const auto* u = promql::as<promql::UnaryExpr>(e)) {
    if (const auto* n = promql::as<promql::NumberLiteral>(promql::unwrap(*u->expr))) {
      return u->negative ? -n->value : n->value;
    }
  }
  return std::nullopt;
}

}  // namespace

FindingView view_of(const rules::Finding& f) {
  return {.group = f.group,
          .rule = f.rule,
          .file = f.file,
          .line = f.line,
          .finding_class = f.class_name,
          .is_error = f.severity == rules::Severity::kError,
          .message = f.message,
          .expr = f.expr,
          .rewrite = f.rewrite,
          .since = EventTime::from_timestamp(f.since)};
}

std::optional<double> threshold_of(const promql::Expr& expr) {
  const promql::Expr* e = &promql::unwrap(expr);
  // `a > 1 and b`: what is named first is what the alert is about.
  while (const auto* b = promql::as<promql::BinaryExpr>(e)) {
    if (promql::is_comparison(b->op)) {
      auto right = constant(*b->rhs);
      return right ? right : constant(*b->lhs);
    }
    if (!promql::is_set_operator(b->op)) break;
    e = &promql::unwrap(*b->lhs);
  }
  return std::nullopt;
}

std::vector<AlertRow> active_alerts(const rules::Manager& rules) {
  std::vector<AlertRow> out;
  for (auto& group : rules.groups()) {
    for (auto& rule : group.rules) {
      for (auto& alert : rule.alerts) {
        if (alert.state != AlertState::kInactive) out.push_back({std::move(alert), rule.rule, group.name});
      }
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const AlertRow& a, const AlertRow& b) {
    if (a.alert.state != b.alert.state) return a.alert.state == AlertState::kFiring;
    return a.alert.active_at > b.alert.active_at;
  });
  return out;
}

void write_alert(wire::JsonWriter& w, const AlertRow& row, Timestamp now) {
  const Alert& a = row.alert;
  w.begin_object();
  w.field("name", row.rule.name);
  w.field("group", row.group);
  w.field("state", to_string(a.state));
  add_number(w, "since", to_seconds(a.active_at));
  if (a.fired_at.ms != 0) add_number(w, "fired_at", to_seconds(a.fired_at));
  add_number(w, "value", a.value);
  add_labels(w, "labels", a.labels);
  add_labels(w, "annotations", a.annotations);
  add_number(w, "for_seconds", row.rule.hold.to_seconds());
  if (a.state == AlertState::kPending) {
    Duration left = row.rule.hold - (now - a.active_at);
    add_number(w, "remaining_seconds", std::max(left, Duration{}).to_seconds());
  }
  w.field("expr", row.rule.query);
  if (auto threshold = row.rule.expr ? threshold_of(*row.rule.expr) : std::nullopt) {
    add_number(w, "threshold", *threshold);
  }
  w.field("file", row.rule.file);
  w.field("line", static_cast<int64_t>(row.rule.line));
  w.end_object();
}

Result<std::string> alerts_json(const SondeContext& context) {
  auto alerts = active_alerts(context.rules);
  Timestamp now = context.clock.timestamp();
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("alerts").begin_array();
  for (size_t i = 0; i < alerts.size() && i < kAlertsMax; i++) write_alert(w, alerts[i], now);
  w.end_array();
  if (alerts.size() > kAlertsMax) w.field("truncated", true);
  w.end_object();
  return out;
}

Result<std::string> alert_history_json(const SondeContext& context, const Window& window, size_t limit) {
  SONDE_TRY(auto transitions, context.alert_book.history(window.start, window.end, limit + 1));
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("transitions").begin_array();
  for (size_t i = 0; i < transitions.size() && i < limit; i++) {
    const AlertTransition& t = transitions[i];
    w.begin_object();
    add_number(w, "t", to_seconds(t.t));
    w.field("group", t.group);
    w.field("rule", t.rule);
    add_labels(w, "labels", t.labels);
    w.field("from", to_string(t.from));
    w.field("to", to_string(t.to));
    add_number(w, "value", t.value);
    w.end_object();
  }
  w.end_array();
  w.field("truncated", transitions.size() > limit);
  w.end_object();
  return out;
}

Result<std::string> inbox_json(const SondeContext& context, size_t limit) {
  SONDE_TRY(auto messages, context.mailbox.list(limit));
  SONDE_TRY(int64_t unread, context.mailbox.unread_count());
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("messages").begin_array();
  for (const auto& m : messages) {
    Payload payload = read_payload(m.payload);
    w.begin_object();
    w.field("id", m.id);
    add_number(w, "t", to_seconds(m.t));
    w.field("receiver", m.receiver);
    w.field("status", m.status);
    w.field("title", m.title);
    w.field("body", m.body);
    add_labels(w, "labels", payload.labels);
    add_labels(w, "annotations", payload.annotations);
    w.key("alerts").begin_array();
    for (size_t i = 0; i < payload.alerts.size() && i < kMessageAlertsMax; i++) {
      const PayloadAlert& a = payload.alerts[i];
      w.begin_object();
      add_labels(w, "labels", a.labels);
      add_labels(w, "annotations", a.annotations);
      w.field("state", a.status);
      add_number(w, "starts_at", to_seconds(a.starts_at));
      if (a.ends_at.ns > 0) add_number(w, "ends_at", to_seconds(a.ends_at));
      w.end_object();
    }
    w.end_array();
    w.field("read", m.read);
    w.key("deliveries").begin_array();
    for (const auto& d : m.deliveries) {
      w.begin_object();
      add_number(w, "t", to_seconds(d.t));
      w.field("receiver", d.receiver);
      w.field("ok", d.ok);
      w.field("error", d.error);
      w.end_object();
    }
    w.end_array();
    w.end_object();
  }
  w.end_array();
  w.field("unread", unread);
  w.end_object();
  return out;
}

Result<std::string> findings_json(const SondeContext& context) {
  std::vector<FindingView> findings;
  if (context.findings) findings = context.findings();
  std::string out;
  wire::JsonWriter w(out);
  w.begin_object();
  w.key("findings").begin_array();
  for (size_t i = 0; i < findings.size() && i < kFindingsMax; i++) {
    const FindingView& f = findings[i];
    w.begin_object();
    w.field("group", f.group);
    w.field("rule", f.rule);
    w.field("file", f.file);
    w.field("line", static_cast<int64_t>(f.line));
    w.field("class", f.finding_class);
    w.field("severity", f.is_error ? "error" : "warning");
    w.field("message", f.message);
    w.field("expr", f.expr);
    if (!f.rewrite.empty()) w.field("rewrite", f.rewrite);
    add_number(w, "since", to_seconds(f.since));
    w.end_object();
  }
  w.end_array();
  if (findings.size() > kFindingsMax) w.field("truncated", true);
  w.end_object();
  return out;
}

}  // namespace sonde::api
