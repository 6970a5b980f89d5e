// Prometheus's remote write, 1.0 and 2.0 (prometheus: storage/remote/write_handler.go).
#pragma once

#include "ingest/intake.h"

namespace sonde::ingest {

// POST /api/v1/write. 204 after everything is durable; 400 in plain text when the request is malformed or a
// sample was rejected (the others are stored), 415, 413; 503 with Retry-After or 500 when the store failed.
// Exemplars that are rejected fail nothing. Answers to 2.0 carry
// X-Prometheus-Remote-Write-{Samples,Histograms,Exemplars}-Written, whatever their status.
void add_remote_write_routes(net::Router& router, const IngestContext& context);

}  // namespace sonde::ingest
