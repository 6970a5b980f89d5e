// sonde's own HTTP API under /api/sonde/v1: what the web interface is made of. Contract:
// docs/manual/http-api.md.
#pragma once

#include <memory>
#include <string>

#include "api/sonde_context.h"
#include "net/http.h"

namespace sonde::api {

// Identical requests of one user within a second get the same answer from a cache (64 answers, 16 MiB).
// Threads: any.
class SondeApi {
 public:
  explicit SondeApi(SondeContext context);
  ~SondeApi();

  // `prefix` is the route prefix of the server: empty or "/sonde". This must outlive the router's use.
  void add_routes(net::Router& router, const std::string& prefix = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sonde::api
