#include "export/exporter.h"

#include <algorithm>
#include <chrono>

#include "runtime/ids.h"

namespace sonde::inline v1 {

Transport::~Transport() = default;

namespace detail {

namespace {
constexpr int64_t kPauseFirstMs = 500;
constexpr int64_t kPauseMaxMs = 5'000;
constexpr int64_t kRetryAfterMaxMs = 30'000;
}  // namespace

void Exporter::push(Signal signal, std::string body, uint64_t items) noexcept {
  try {
    std::lock_guard lock(mu_);
    if (stopping_.load()) {
      count_drop(signal, DropReason::kShutdown, items);
      return;
    }
    if (queue_bytes_ + body.size() > options_.queue_bytes_max) {
      count_drop(signal, DropReason::kQueueFull, items);
      return;
    }
    uint64_t size = body.size();
    queue_.push_back({signal, std::move(body), items});
    queue_bytes_ += size;
    pushed_.fetch_add(1);
  } catch (...) {
    count_drop(signal, DropReason::kNoMemory, items);
    return;
  }
  changed_.notify_all();
}

void Exporter::hurry() noexcept {
  {
    std::lock_guard lock(mu_);
    hurry_ = true;
  }
  changed_.notify_all();
}

void Exporter::stop() noexcept {
  {
    std::lock_guard lock(mu_);
    stopping_.store(true);
  }
  changed_.notify_all();
}

// Retryable as OTLP/HTTP lists it, and everything that never reached a collector.
Exporter::Verdict Exporter::attempt(const Batch& batch, int64_t& retry_after_ms) noexcept {
  TransportRequest request{batch.signal == Signal::kSpans ? options_.traces_url : options_.logs_url,
                           "application/x-protobuf",
                           options_.headers,
                           batch.body,
                           options_.timeout_ms,
                           &stopping_};
  TransportResult result = options_.transport->post(request);
  retry_after_ms = result.retry_after_ms;
  if (result.status >= 200 && result.status < 300) return Verdict::kSent;
  switch (result.status) {
    case 0:
    case 429:
    case 502:
    case 503:
    case 504:
      return Verdict::kRetry;
    default:
      return Verdict::kRefused;
  }
}

void Exporter::run() noexcept {
  int64_t pause_ms = kPauseFirstMs;
  std::unique_lock lock(mu_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_.load() || !queue_.empty(); });
    if (stopping_.load()) break;
    // The front stays where it is: push() only appends, and a deque's elements do not move.
    const Batch& batch = queue_.front();
    hurry_ = false;
    lock.unlock();
    int64_t retry_after_ms = -1;
    Verdict verdict = attempt(batch, retry_after_ms);
    lock.lock();
    if (stopping_.load() && verdict == Verdict::kRetry) break;
    if (verdict != Verdict::kRetry) {
      if (verdict == Verdict::kRefused) count_drop(batch.signal, DropReason::kRejected, batch.items);
      queue_bytes_ -= batch.body.size();
      queue_.pop_front();
      settled_.fetch_add(1);
      pause_ms = kPauseFirstMs;
      continue;
    }
    int64_t wait_ms = pause_ms - static_cast<int64_t>(random_id() % static_cast<uint64_t>(pause_ms / 2));
    if (retry_after_ms >= 0) wait_ms = std::min(retry_after_ms, kRetryAfterMaxMs);
    pause_ms = std::min(pause_ms * 2, kPauseMaxMs);
    changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return stopping_.load() || hurry_; });
  }
  drop_rest();
}

void Exporter::drop_rest() noexcept {
  for (const Batch& batch : queue_) {
    count_drop(batch.signal, DropReason::kShutdown, batch.items);
    settled_.fetch_add(1);
  }
  queue_.clear();
  queue_bytes_ = 0;
}

}  // namespace detail
}  // namespace sonde::inline v1
