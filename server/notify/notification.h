// What a receiver is told: a group of alerts with one status.
#pragma once

#include <string>
#include <vector>

#include "model/alert.h"

namespace sonde::notify {

struct Notification {
  std::string receiver;
  bool firing = true;        // false: all alerts are resolved
  LabelSet group_labels;     // alertname
  std::string external_url;  // of this server
  std::vector<Alert> alerts;
};

// The labels and annotations that all alerts share.
LabelSet shared_labels(const std::vector<Alert>& alerts);
LabelSet shared_annotations(const std::vector<Alert>& alerts);

// Alertmanager's webhook payload, version "4".
std::string webhook_payload(const Notification& notification);
// The body of POST /api/v2/alerts.
std::string alertmanager_payload(const std::vector<Alert>& alerts);
// "[FIRING:2] Slow" and the like: what a person reads first.
std::string title(const Notification& notification);
// One paragraph an alert: its summary, description and labels.
std::string plain_text(const Notification& notification);

}  // namespace sonde::notify
