#include "notify/notification.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/rfc3339.h"

namespace sonde::notify {
namespace {

namespace json = boost::json;

template <class Get>
LabelSet shared(const std::vector<Alert>& alerts, Get get) {
  if (alerts.empty()) return {};
  LabelBuilder out(get(alerts[0]));
  for (LabelView l : get(alerts[0])) {
    for (const Alert& a : alerts) {
      if (get(a).get(l.name) != l.value) {
        out.del(l.name);
        break;
      }
    }
  }
  return out.build();
}

json::object to_json(const LabelSet& labels) {
  json::object out;
  for (LabelView l : labels)
    out.emplace(json::string_view(l.name.data(), l.name.size()),
                json::string_view(l.value.data(), l.value.size()));
  return out;
}

std::string time_text(Timestamp t) {
  if (t.ms == 0) return "0001-01-01T00:00:00Z";  // Go's zero time, which receivers of these payloads know
  return to_rfc3339(EventTime::from_timestamp(t));
}

// Alertmanager identifies an alert by a hash of its labels; ours is the label set's own.
std::string fingerprint(const LabelSet& labels) { return fmt::format("{:016x}", labels.hash()); }

Timestamp starts_at(const Alert& a) { return a.fired_at.ms != 0 ? a.fired_at : a.active_at; }

}  // namespace

LabelSet shared_labels(const std::vector<Alert>& alerts) {
  return shared(alerts, [](const Alert& a) -> const LabelSet& { return a.labels; });
}
LabelSet shared_annotations(const std::vector<Alert>& alerts) {
  return shared(alerts, [](const Alert& a) -> const LabelSet& { return a.annotations; });
}

std::string webhook_payload(const Notification& n) {
  json::array alerts;
  for (const Alert& a : n.alerts) {
    bool resolved = a.resolved_at.ms != 0;
    alerts.push_back(json::object{{"status", resolved ? "resolved" : "firing"},
                                  {"labels", to_json(a.labels)},
                                  {"annotations", to_json(a.annotations)},
                                  {"startsAt", time_text(starts_at(a))},
                                  {"endsAt", time_text(a.resolved_at)},
                                  {"generatorURL", a.generator_url},
                                  {"fingerprint", fingerprint(a.labels)}});
  }
  json::object payload{{"version", "4"},
                       {"groupKey", "{}:" + n.group_labels.to_string()},
                       {"truncatedAlerts", 0},
                       {"status", n.firing ? "firing" : "resolved"},
                       {"receiver", n.receiver},
                       {"groupLabels", to_json(n.group_labels)},
                       {"commonLabels", to_json(shared_labels(n.alerts))},
                       {"commonAnnotations", to_json(shared_annotations(n.alerts))},
                       {"externalURL", n.external_url},
                       {"alerts", std::move(alerts)}};
  return json::serialize(payload);
}

std::string alertmanager_payload(const std::vector<Alert>& alerts) {
  json::array out;
  for (const Alert& a : alerts) {
    json::object o{{"labels", to_json(a.labels)},
                   {"annotations", to_json(a.annotations)},
                   {"startsAt", time_text(starts_at(a))}};
    Timestamp ends = a.resolved_at.ms != 0 ? a.resolved_at : a.ends_at;
    if (ends.ms != 0) o["endsAt"] = time_text(ends);
    if (!a.generator_url.empty()) o["generatorURL"] = a.generator_url;
    out.push_back(std::move(o));
  }
  return json::serialize(out);
}

std::string title(const Notification& n) {
  return fmt::format("[{}:{}] {}", n.firing ? "FIRING" : "RESOLVED", n.alerts.size(),
                     n.group_labels.get("alertname"));
}

std::string plain_text(const Notification& n) {
  std::string out;
  for (const Alert& a : n.alerts) {
    if (!out.empty()) out += '\n';
    if (a.annotations.has("summary")) out += fmt::format("{}\n", a.annotations.get("summary"));
    if (a.annotations.has("description")) out += fmt::format("{}\n", a.annotations.get("description"));
    out += fmt::format("value {:.4g} since {}\n", a.value, time_text(starts_at(a)));
    for (LabelView l : a.labels) {
      if (l.name != "alertname") out += fmt::format("  {} = {}\n", l.name, l.value);
    }
  }
  return out;
}

}  // namespace sonde::notify
