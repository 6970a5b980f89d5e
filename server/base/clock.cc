#include "base/clock.h"

#include <time.h>

namespace sonde {
namespace {
int64_t read_clock(clockid_t id) {
  timespec ts{};
  clock_gettime(id, &ts);
  return static_cast<int64_t>(ts.tv_sec) * 1'000'000'000 + ts.tv_nsec;
}
}  // namespace

EventTime SystemClock::now() const { return {read_clock(CLOCK_REALTIME)}; }
MonotonicTime SystemClock::monotonic() const { return {read_clock(CLOCK_MONOTONIC)}; }

}  // namespace sonde
