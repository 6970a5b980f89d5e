// Tells people: turns changes of alerts into messages, keeps them in the inbox, and delivers them to the
// receivers from a durable outbox. At least once, over restarts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "model/alert.h"
#include "notify/receivers/receiver.h"
#include "state/mailbox.h"

namespace sonde::notify {

struct DispatcherStats {
  uint64_t messages = 0;  // posted to the inbox
  uint64_t delivered = 0;
  uint64_t attempts_failed = 0;
  uint64_t given_up = 0;
  uint64_t post_errors =
      0;  // the state database refused a message; it is tried again with the next evaluation
};

// Threads: any.
class Dispatcher {
 public:
  struct Options {
    std::string external_url;
    Duration first_retry = Duration::seconds(1);
    Duration retry_max = Duration::minutes(5);
    Duration give_up_after = Duration::hours(24);
  };
  // Everything by reference must outlive it. Reads what was already notified; delivery of what is still in
  // the outbox begins with the first set_receivers().
  Dispatcher(state::Mailbox& mailbox, net::HttpClient& client, Scheduler& scheduler, Executor& executor,
             Options options);
  ~Dispatcher();

  // Replaces the receivers (a reload). Outbox items of receivers that are gone are given up.
  void set_receivers(std::vector<std::unique_ptr<Receiver>> receivers);
  // The firing and the just resolved alerts of one rule evaluation. Alerts that were notified in the same
  // state before are ignored; the others become one message a status.
  void notify(const std::vector<Alert>& alerts);
  DispatcherStats stats() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace sonde::notify
