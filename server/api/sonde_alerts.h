// Alerts as sonde's pages show them: active ones, their history, the inbox, and remarks on rules.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/sonde_context.h"
#include "api/sonde_json.h"
#include "api/sonde_parameters.h"

namespace sonde::api {

struct AlertRow {
  Alert alert;
  rules::Rule rule;
  std::string group;
};
// Firing ones first, then by time, the latest first.
std::vector<AlertRow> active_alerts(const rules::Manager& rules);
void write_alert(wire::JsonWriter& w, const AlertRow& row, Timestamp now);

// The number that the rule's outermost comparison compares with; nullopt when there is none.
std::optional<double> threshold_of(const promql::Expr& expr);

Result<std::string> alerts_json(const SondeContext& context);
Result<std::string> alert_history_json(const SondeContext& context, const Window& window, size_t limit);
Result<std::string> inbox_json(const SondeContext& context, size_t limit);
Result<std::string> findings_json(const SondeContext& context);

}  // namespace sonde::api
