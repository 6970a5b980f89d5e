// How many queries run at once, how long each may take, and how its peer's going away reaches it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/cancellation.h"
#include "base/error.h"
#include "base/executor.h"

namespace sonde::api {

// Lets `running_max` queries run, `waiting_max` more wait for their turn (their threads block), and refuses
// the rest. Threads: any.
class QueryGate {
  struct State;
  struct Query;

 public:
  struct Options {
    size_t running_max = 4;
    size_t waiting_max = 64;
    Duration relay_interval = Duration::milliseconds(100);
  };
  // While queries run, a timer of `scheduler` looks every `relay_interval` whether a peer is gone; without a
  // scheduler nobody looks, unless relay() is called. The scheduler must outlive the gate.
  explicit QueryGate(const Clock& clock) : QueryGate(clock, nullptr, Options{}) {}
  QueryGate(const Clock& clock, Scheduler* scheduler, Options options);
  ~QueryGate();

  // A running query's place; gives it back when destroyed. May outlive the gate.
  class Permit {
   public:
    Permit(Permit&&) noexcept;
    Permit& operator=(Permit&&) = delete;
    ~Permit();
    // Stops the query: at its deadline, when its peer is gone, or when somebody cancels it.
    const Cancellation& cancel() const;
    Duration waited() const;

   private:
    friend class QueryGate;
    Permit(std::shared_ptr<State> state, std::shared_ptr<Query> query);
    std::shared_ptr<State> state_;
    std::shared_ptr<Query> query_;
  };

  // Waits for a place. `timeout` covers waiting and running; 0 or less has passed already. kUnavailable when
  // too many wait; kCancelled, kTimeout as for a query.
  Result<Permit> enter(std::string_view text, const Cancellation& peer, Duration timeout);

  // Cancels the queries whose peers are gone.
  void relay();

  struct Stats {
    size_t running = 0;
    size_t waiting = 0;
    uint64_t entered = 0;  // since the start, as the next two
    uint64_t refused = 0;
    uint64_t abandoned = 0;  // cancelled or timed out while waiting
  };
  Stats stats() const;
  // The texts of those that run, at most 1 KiB of each.
  std::vector<std::string> running() const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace sonde::api
