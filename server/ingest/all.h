// Every way in by push, as rows of a route table.
#pragma once

#include "ingest/intake.h"

namespace sonde::ingest {

// OTLP over HTTP, Loki push and remote write: for the main port, and for 4318.
void add_ingest_routes(net::Router& router, const IngestContext& context);
// OTLP over gRPC: for 4317, or any port that speaks HTTP/2.
void add_grpc_routes(net::Router& router, const IngestContext& context);

}  // namespace sonde::ingest
