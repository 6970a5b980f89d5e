// Scrapes one target at its interval, and writes what it exposes with the report series (up, …) to the store.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/executor.h"
#include "net/http_client.h"
#include "scrape/job.h"
#include "scrape/target.h"
#include "storage/batch.h"

namespace sonde::scrape {

enum class TargetHealth : uint8_t { kUnknown, kUp, kDown };
const char* to_string(TargetHealth health);  // "unknown", "up", "down"

struct TargetStatus {
  std::string job;
  LabelSet discovered;
  LabelSet labels;
  std::string url;
  TargetHealth health = TargetHealth::kUnknown;
  std::string last_error;
  EventTime last_scrape;  // 0: none yet
  Duration last_duration;
  Duration interval;
  Duration timeout;
  uint64_t last_samples = 0;
  uint64_t last_body_bytes = 0;
  uint64_t series = 0;  // in the cache
};

// Over all loops; every field only grows.
struct ScrapeStats {
  std::atomic<uint64_t> scrapes{0};
  std::atomic<uint64_t> failed{0};
  std::atomic<uint64_t> skipped{0};  // the executor had no room
  std::atomic<uint64_t> samples_received{0};
  std::atomic<uint64_t> samples_stored{0};
  std::atomic<uint64_t> samples_rejected{0};   // by the store
  std::atomic<uint64_t> samples_discarded{0};  // of scrapes that failed half-way or over a limit
  std::atomic<uint64_t> samples_dropped{0};    // by relabelling
  std::atomic<uint64_t> commit_errors{0};
};

// What a loop needs of the world; must outlive it and its pending work.
struct ScrapeContext {
  storage::Appender& appender;
  net::HttpClient& client;
  Scheduler& scheduler;
  Executor& executor;
  ScrapeStats& stats;
};

// Threads: any.
class ScrapeLoop {
 public:
  ScrapeLoop(const ScrapeContext& context, std::shared_ptr<const ScrapeJob> job, Target target);
  ~ScrapeLoop();

  // The first scrape comes at the target's own offset within the interval, so that targets spread.
  // A non-empty `forced_error` makes every scrape fail with it, without asking the target.
  void start(std::string forced_error = {});
  // No scrape begins any more. With `end_series`, stale markers follow two intervals later, unless other
  // series took over by then: the target is gone. Without it nothing is written: the process stops or the job
  // restarts.
  void stop(bool end_series);
  TargetStatus status() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The Accept header for these protocol names (scrape_protocols); empty: the default.
std::string accept_header(const std::vector<std::string>& protocols);

}  // namespace sonde::scrape
