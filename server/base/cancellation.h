// A deadline and a cancellation flag that travel from a request down to the storage cursor.
#pragma once

#include <atomic>
#include <memory>

#include "base/clock.h"
#include "base/error.h"

namespace sonde {

// Cheap to copy; copies share the flag. A default-constructed one never stops anything.
// Threads: `cancel` and `check` from any thread.
class Cancellation {
 public:
  Cancellation() = default;
  static Cancellation create(const Clock* clock, MonotonicTime deadline) {
    Cancellation c;
    c.state_ = std::make_shared<State>();
    c.state_->clock = clock;
    c.state_->deadline = deadline;
    return c;
  }
  void cancel() const {
    if (state_) state_->cancelled.store(true, std::memory_order_relaxed);  // polled; orders nothing
  }
  // Whether it was made by create, and thus may stop something.
  bool active() const { return state_ != nullptr; }
  bool cancelled() const { return state_ && state_->cancelled.load(std::memory_order_relaxed); }
  bool expired() const { return state_ && state_->clock && state_->clock->monotonic() >= state_->deadline; }

  // kCancelled or kTimeout when the work should stop. Reads the clock: call it per block, not per sample.
  Result<> check() const {
    if (cancelled()) return fail(ErrorCode::kCancelled, "query was canceled");
    if (expired()) return fail(ErrorCode::kTimeout, "query timed out");
    return {};
  }

 private:
  struct State {
    const Clock* clock = nullptr;
    MonotonicTime deadline;
    std::atomic<bool> cancelled{false};
  };
  std::shared_ptr<State> state_;
};

}  // namespace sonde
