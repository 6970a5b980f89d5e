// Sends alerts to Alertmanagers, as Prometheus does: a bounded queue, batches, every Alertmanager gets
// everything.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "model/alert.h"
#include "net/http_client.h"

namespace sonde::notify {

struct AlertmanagerTarget {
  std::string url;  // of POST /api/v2/alerts, whole
  net::Headers headers;
  net::TlsClientOptions tls;
  Duration timeout = Duration::seconds(10);
};

struct AlertmanagerStats {
  uint64_t sent = 0;     // alerts that at least one Alertmanager took
  uint64_t failed = 0;   // alerts that none took
  uint64_t dropped = 0;  // alerts that the queue had no room for
  size_t queue_length = 0;
};

struct AlertmanagerState {
  std::string url;
  std::string last_error;  // empty: the last delivery succeeded, or none was tried
  uint64_t errors = 0;
};

// Threads: any.
class AlertmanagerClient {
 public:
  struct Options {
    size_t queue_length_max = 10'000;
    size_t batch_length_max = 256;
  };
  // `client` and `executor` must outlive it.
  AlertmanagerClient(net::HttpClient& client, Executor& executor, Options options);
  ~AlertmanagerClient();

  // Replaces the targets (a reload); their counters start anew.
  void set_targets(std::vector<AlertmanagerTarget> targets);
  // Takes the alerts; when the queue is full the oldest are dropped and counted.
  void send(const std::vector<Alert>& alerts);
  AlertmanagerStats stats() const;
  std::vector<AlertmanagerState> states() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sonde::notify
