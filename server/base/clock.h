// Wall and monotonic clocks as an interface, so that a test runs a day in a millisecond.
#pragma once

#include <atomic>

#include "base/time.h"

namespace sonde {

// Threads: all methods may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual EventTime now() const = 0;
  virtual MonotonicTime monotonic() const = 0;

  Timestamp timestamp() const { return now().to_timestamp(); }
};

// CLOCK_REALTIME and CLOCK_MONOTONIC.
class SystemClock final : public Clock {
 public:
  EventTime now() const override;
  MonotonicTime monotonic() const override;
};

// Stands still until told to move. `jump` moves the wall clock alone, as an operator or NTP would.
class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(EventTime start = {1'700'000'000'000'000'000}) : wall_(start.ns) {}
  EventTime now() const override { return {wall_.load()}; }
  MonotonicTime monotonic() const override { return {mono_.load()}; }
  void advance(Duration d) {
    wall_ += d.ns;
    mono_ += d.ns;
  }
  void jump(Duration d) { wall_ += d.ns; }

 private:
  std::atomic<int64_t> wall_;
  std::atomic<int64_t> mono_{1'000'000'000};
};

}  // namespace sonde
