// Alerts as they travel from rules to notification and to the API.
#pragma once

#include <string>
#include <vector>

#include "base/time.h"
#include "model/labels.h"

namespace sonde {

enum class AlertState : uint8_t { kInactive, kPending, kFiring };
const char* to_string(AlertState state);  // "inactive", "pending", "firing"

struct Alert {
  LabelSet labels;       // with alertname
  LabelSet annotations;  // expanded
  AlertState state = AlertState::kInactive;
  double value = 0;
  Timestamp active_at;          // first evaluation at which the condition held
  Timestamp fired_at;           // 0: not yet
  Timestamp resolved_at;        // 0: not
  Timestamp keep_firing_since;  // 0: condition holds
  Timestamp ends_at;            // for the receiver: when it lapses unless sent again; resolved: when it ended
  std::string generator_url;
};

// A change of an alert's state, for the history.
struct AlertTransition {
  Timestamp t;
  std::string group;
  std::string rule;
  LabelSet labels;
  AlertState from = AlertState::kInactive;
  AlertState to = AlertState::kInactive;
  double value = 0;
};

}  // namespace sonde
