// What belongs to an alert: an exemplar above its threshold, traces, statements and log lines of its time.
#pragma once

#include <string>

#include "api/sonde_context.h"
#include "api/sonde_parameters.h"

namespace sonde::api {

// `labels` are the alert's; `t` is a time at which it was active.
Result<std::string> evidence_json(const SondeContext& context, const Cancellation& cancel,
                                  const LabelSet& labels, Timestamp t);

}  // namespace sonde::api
