#include "ingest/all.h"

#include "ingest/loki_push.h"
#include "ingest/otlp_grpc.h"
#include "ingest/otlp_http.h"
#include "ingest/remote_write.h"

namespace sonde::ingest {

void add_ingest_routes(net::Router& router, const IngestContext& context) {
  add_otlp_http_routes(router, context);
  add_loki_push_routes(router, context);
  add_remote_write_routes(router, context);
}

void add_grpc_routes(net::Router& router, const IngestContext& context) {
  add_otlp_grpc_routes(router, context);
}

}  // namespace sonde::ingest
