// Loki's push endpoint.
#pragma once

#include "ingest/intake.h"

namespace sonde::ingest {

// POST /loki/api/v1/push, JSON or a snappy block of protobuf. 204 after everything is durable; 400 in plain
// text when the request is malformed or a record was rejected (the others are stored, as in Loki), 413, 503.
//
// Lines that are JSON or logfmt are parsed once, here: their typed fields join the attributes, structured
// metadata of the same name wins. The line stays as it came.
void add_loki_push_routes(net::Router& router, const IngestContext& context);

}  // namespace sonde::ingest
