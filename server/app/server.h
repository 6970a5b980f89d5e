// The whole server, put together: the only place that names concrete stores, clocks and disks at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "app/server_flags.h"
#include "base/error.h"
#include "base/time.h"

namespace sonde::storage {
class MetricStore;
}

namespace sonde::app {

// Threads: start and stop from one thread; reload from any.
class Server {
 public:
  // Opens the stores, loads the configuration, listens, starts scraping and evaluating. Fails naming what is
  // wrong and where, with nothing left running.
  static Result<std::unique_ptr<Server>> start(ServerSettings settings);
  virtual ~Server() = default;

  // Reads all files again. On failure the running state is untouched.
  virtual Result<> reload() = 0;
  // Stops within about five seconds: listeners, scrapes, rules, then the stores are flushed. Idempotent.
  virtual void stop() = 0;
  // Bound ports: those of web.listen-address, then OTLP over HTTP, then gRPC (0 where off).
  virtual std::vector<uint16_t> ports() const = 0;
  // "http://127.0.0.1:9090"
  virtual std::string url() const = 0;
  // Where /-/quit was asked for.
  virtual bool quit_requested() const = 0;
  virtual storage::MetricStore& metrics() = 0;
  // Data until then was made up (`sonde demo`); 0: none.
  virtual void set_synthetic_until(Timestamp t) = 0;
};

}  // namespace sonde::app
