// OTLP over unary gRPC (OTLP specification 1.11, "OTLP/gRPC").
#pragma once

#include "ingest/intake.h"

namespace sonde::ingest {

// Export of TraceService, LogsService and MetricsService. A store that cannot take more is UNAVAILABLE with a
// RetryInfo; a message that is too large RESOURCE_EXHAUSTED without one.
void add_otlp_grpc_routes(net::Router& router, const IngestContext& context);

}  // namespace sonde::ingest
