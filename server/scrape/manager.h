// Keeps a loop for every target of every job, over changes of discovery and reloads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "scrape/scrape_loop.h"

namespace sonde::scrape {

struct PoolStatus {
  std::string job;
  std::vector<TargetStatus> active;
  std::vector<DroppedTarget> dropped;  // at most the job's limit, 1000 without one
  uint64_t dropped_count = 0;
  std::vector<std::string> errors;  // of discovery and relabelling
};

// Threads: any.
class Manager {
 public:
  // Everything in `context` must outlive the manager and the executor's pending tasks.
  explicit Manager(const ScrapeContext& context);
  ~Manager();  // as stop()

  // Jobs by name: unchanged ones go on, changed ones restart, those missing end (their series get stale
  // markers).
  void apply(std::vector<ScrapeJob> jobs);
  // Ends all loops without stale markers: the process stops, the targets live on.
  void stop();
  std::vector<PoolStatus> pools() const;

 private:
  struct Pool;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sonde::scrape
