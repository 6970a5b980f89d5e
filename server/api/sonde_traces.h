// Traces: search lists, and one trace with its log lines.
#pragma once

#include <string>
#include <vector>

#include "api/sonde_context.h"
#include "api/sonde_json.h"
#include "net/http.h"

namespace sonde::api {

void write_trace_row(wire::JsonWriter& w, const storage::TraceSummary& t);

// At most `search.limit` traces, the slowest first. Where more match, the search is repeated among ever
// slower spans, so that old slow traces are not hidden behind new fast ones: slow counts in the spans that
// match. `truncated`: more matched.
struct SlowestTraces {
  std::vector<storage::TraceSummary> traces;
  bool truncated = false;
};
Result<SlowestTraces> slowest_traces(const SondeContext& context, const Cancellation& cancel,
                                     storage::SpanSearch search);

// Parameter `order`: "time" (the default, newest first) or "duration" (slowest first).
Result<std::string> traces_json(const SondeContext& context, const Cancellation& cancel,
                                const net::Params& params);
// kNotFound when no span of it is stored, kInvalid when `id` is no trace id.
Result<std::string> trace_json(const SondeContext& context, const Cancellation& cancel, std::string_view id);

}  // namespace sonde::api
