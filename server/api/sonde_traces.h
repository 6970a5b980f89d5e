// Traces: search lists, and one trace with its log lines.
#pragma once

#include <string>
#include <vector>

#include "api/sonde_context.h"
#include "api/sonde_json.h"
#include "net/http.h"

namespace sonde::api {

void write_trace_row(wire::JsonWriter& w, const storage::TraceSummary& t);

Result<std::string> traces_json(const SondeContext& context, const Cancellation& cancel,
                                const net::Params& params);
// kNotFound when no span of it is stored, kInvalid when `id` is no trace id.
Result<std::string> trace_json(const SondeContext& context, const Cancellation& cancel, std::string_view id);

}  // namespace sonde::api
