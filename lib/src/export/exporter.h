// Batches on their way to the collector: a bounded queue and one thread that posts them, oldest first.
//
// A batch is kept until the collector took it or refused it for good. While the collector is away the thread
// retries after pauses that double from 0.5 s to 5 s, each shortened at random by up to a half, or for as
// long as Retry-After asks, at most 30 s; the queue fills and then the newest batches are dropped and
// counted. Nobody waits for a collector but flush().
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>

#include "runtime/drops.h"
#include "sonde/transport.h"

namespace sonde::inline v1::detail {

struct ExporterOptions {
  Transport* transport;
  std::string traces_url;
  std::string logs_url;
  std::string headers;  // lines
  int64_t timeout_ms;
  uint64_t queue_bytes_max;
};

class Exporter {
 public:
  explicit Exporter(ExporterOptions options) : options_(std::move(options)) {}
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // Takes the batch or drops it.
  void push(Signal signal, std::string body, uint64_t items) noexcept;

  // Number of batches ever pushed and ever settled (sent or dropped): flush() waits for the second to reach
  // the first.
  uint64_t pushed() const noexcept { return pushed_.load(); }
  uint64_t settled() const noexcept { return settled_.load(); }

  // Cuts a pause between two attempts short.
  void hurry() noexcept;
  // Makes run() return soon; what is left is dropped and counted.
  void stop() noexcept;
  void run() noexcept;

 private:
  struct Batch {
    Signal signal;
    std::string body;
    uint64_t items;
  };
  enum class Verdict { kSent, kRefused, kRetry };

  Verdict attempt(const Batch& batch, int64_t& retry_after_ms) noexcept;
  void drop_rest() noexcept;

  const ExporterOptions options_;
  std::mutex mu_;
  std::condition_variable changed_;
  std::deque<Batch> queue_;   // guarded by mu_
  uint64_t queue_bytes_ = 0;  // guarded by mu_; the batch in flight included
  bool hurry_ = false;        // guarded by mu_
  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> pushed_{0};
  std::atomic<uint64_t> settled_{0};
};

}  // namespace sonde::inline v1::detail
